"""Crypto KKA: decrypt a text with known cipher and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.ciphers import (
    ENCRYPT,
    RULES,
    VIGENERE,
    Key,
    drawn_key,
    encrypt,
    letters,
    opening,
    parse_key,
    prepared,
)  # fmt: skip
from datamodules.enigmata.tasks.task import Levels, Question, Task

LENGTHS: dict[str, tuple[int, int, int]] = {
    "Affine Cipher": (5, 10, 15),
    "Atbash Cipher": (15, 20, 25),
    "Autokey Cipher": (5, 10, 15),
    "Caesar Cipher": (10, 15, 20),
    "Hill Cipher": (4, 6, 9),
    "Playfair Cipher": (6, 10, 20),
    "Rail Fence Cipher": (5, 10, 15),
    "Substitution Cipher": (5, 10, 15),
    VIGENERE: (5, 8, 12),
}
"""The number of letters of the text, for easy, medium and hard."""

STRENGTHS: dict[str, tuple[Any, Any, Any]] = {
    "Affine Cipher": ((3, 5, 7, 9), (11, 15, 17), (19, 21, 23, 25)),
    "Autokey Cipher": (3, 4, 5),
    "Caesar Cipher": ((6, 10), (11, 15), (16, 25)),
    "Hill Cipher": (2, 3, 3),
    "Playfair Cipher": (6, 7, 8),
    "Rail Fence Cipher": (2, 3, 4),
    VIGENERE: (3, 4, 5),
}
"""Strengths of keys: factors of Affine, shifts of Caesar, sides of Hill's matrix, rails, letters of a keyword."""

_CIPHERTEXT = re.compile(r"Ciphertext: ([A-Z]{1,1000})\b")


def settings(rank: int) -> tuple[dict[str, Any], ...]:
    """The settings of `draw` for the nine ciphers."""
    return tuple(
        {"method": method, "length": LENGTHS[method][rank], "strength": STRENGTHS.get(method, (None,) * 3)[rank]}
        for method in ENCRYPT
    )


class CryptoKKA(Task):
    """A question is `{"key": {"method": ..., ...}, "ciphertext": str}`."""

    name = "crypto_KKA"
    levels: ClassVar[Levels] = {"easy": settings(0), "medium": settings(1), "hard": settings(2)}

    def draw(self, random: Random, method: str, length: int, strength: Any) -> tuple[Question, str] | None:
        """Generate a text that its cipher does not pad."""
        key, text = drawn_key(random, method, strength), opening(random, length)
        return ({"key": key, "ciphertext": encrypt(text, key)}, text) if prepared(text, key) == text else None

    def ask(self, question: Question) -> str:
        key = question["key"]
        return (
            f"A text of the letters A to Z, without its spaces, was encrypted with the {plain(key['method'])}: "
            f"{RULES[key['method']]}. A counts as 0, Z as 25.\n\nKey: {described(key)}\nCiphertext: "
            f"{question['ciphertext']}\n\nDecrypt it. Give the plaintext in a fenced code block, in capitals."
        )

    def judge(self, question: Question, answer: str) -> bool:
        """Any text that encrypts to the given one: with Playfair, I and J are equal, and an added X is optional."""
        text = letters(answer)
        if text is None or len(text) > len(question["ciphertext"]):
            return False
        return encrypt(text, question["key"]) == question["ciphertext"]

    def meta(self, question: Question) -> dict[str, Any]:
        key, text = question["key"], question["ciphertext"]
        return {"question": f"Ciphertext: {text}\n\nEncryption Method: {dict(key)}", "rationale": key}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        if not isinstance(meta, Mapping) or not isinstance(meta.get("question"), str):
            return None
        found, key = _CIPHERTEXT.search(meta["question"]), parse_key(meta.get("rationale"))
        return None if found is None or key is None else {"key": dict(key), "ciphertext": found[1]}


def plain(method: str) -> str:
    """The cipher's name in ASCII."""
    return method.replace("\u00e8", "e")


def described(key: Key) -> str:
    """The key in words."""
    values = {"shift": "shift {}", "keyword": "keyword {}", "rails": "{} rails", "matrix": "matrix {}", "a": "a = {}"}
    values |= {"b": "b = {}", "key": "permuted alphabet {}"}
    return ", ".join(values[name].format(value) for name, value in key.items() if name != "method") or "none"


TASK = CryptoKKA()
