"""Crypto KPA: decrypt a text from one pair of plaintext and ciphertext under the same unknown key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.ciphers import (
    ENCRYPT,
    RULES,
    VIGENERE,
    Key,
    couples,
    drawn_key,
    encrypt,
    letters,
    opening,
    parse_key,
    place,
    prepared,
    sentence,
)  # fmt: skip
from datamodules.enigmata.tasks.crypto_kka import plain
from datamodules.enigmata.tasks.task import Levels, Question, Task

ALIKE = ("Affine Cipher", "Atbash Cipher", "Caesar Cipher", "Substitution Cipher")
"""The ciphers that replace equal letters by equal letters."""

STRENGTHS: dict[str, tuple[Any, Any, Any]] = {
    "Affine Cipher": ((3, 5, 7, 9), (11, 15, 17), (19, 21, 23, 25)),
    "Autokey Cipher": (3, 4, 5),
    "Caesar Cipher": ((6, 10), (11, 15), (16, 25)),
    "Hill Cipher": (2, 3, 3),
    "Playfair Cipher": (6, 7, 7),
    "Rail Fence Cipher": (2, 3, 3),
    VIGENERE: (3, 4, 5),
}
LENGTHS: dict[str, tuple[int, int, int]] = {
    "Affine Cipher": (10, 10, 10),
    "Hill Cipher": (8, 6, 9),
    "Playfair Cipher": (10, 10, 16),
}
"""Numbers of letters that differ from 10, 10, 15; upstream's Playfair has an odd 15."""

_HINT = re.compile(r"Plaintext: '([A-Z]{1,1000})'\s+Ciphertext: '([A-Z]{1,1000})'")
_LAST_WORD = re.compile(r"([A-Z]{1,1000})\s*$")
_AFFINE = re.compile(r"Encryption method: Affine cipher\s+a: (\d{1,2}), b: (\d{1,2})")


def settings(rank: int) -> tuple[dict[str, Any], ...]:
    """The settings of `draw` for the nine ciphers."""
    hints = ((120, 150), (80, 100), (80, 100))
    return tuple(
        {
            "method": method,
            "length": LENGTHS.get(method, (10, 10, 15))[rank],
            "strength": STRENGTHS.get(method, (None,) * 3)[rank],
            "hint": (120, 150) if (method, rank) == ("Affine Cipher", 1) else hints[rank],
        }
        for method in ENCRYPT
    )


class CryptoKPA(Task):
    """A question is `{"key": {"method": ..., ...}, "hint": [plain, cipher], "ciphertext": str, "plaintext": str}`."""

    name = "crypto_KPA"
    levels: ClassVar[Levels] = {"easy": settings(0), "medium": settings(1), "hard": settings(2)}

    def draw(
        self, random: Random, method: str, length: int, strength: Any, hint: tuple[int, int]
    ) -> tuple[Question, str] | None:
        """Generate a pair, and a text that can be decrypted with the pair."""
        key = drawn_key(random, method, strength)
        known = known_text(random, key, random.randint(*hint))
        text = message(random, length, known) if method == "Playfair Cipher" else opening(random, length)
        if text is None or prepared(text, key) != text or text in known or not settles(known, key, text):
            return None
        pair = [known, encrypt(known, key)]
        return {"key": key, "hint": pair, "ciphertext": encrypt(text, key), "plaintext": text}, text

    def ask(self, question: Question) -> str:
        rules = "\n".join(f"- {plain(method)}: {rule}." for method, rule in sorted(RULES.items()))
        known, encrypted = question["hint"]
        return (
            "Two texts of the letters A to Z, without their spaces, were encrypted with one cipher and one key, each "
            f"from its start. Of the first you know both forms:\n\nPlaintext: {known}\nCiphertext: {encrypted}\n\n"
            f"Of the second you know the ciphertext alone:\n\nCiphertext: {question['ciphertext']}\n\nThe cipher is "
            f"one of these, where A counts as 0 and Z as 25:\n\n{rules}\n\nDecrypt the second text. Give its plaintext "
            "in a fenced code block, in capitals."
        )

    def judge(self, question: Question, answer: str) -> bool:
        text, key = letters(answer), question["key"]
        return text is not None and prepared(text, key) == prepared(question["plaintext"], key)

    def meta(self, question: Question) -> dict[str, Any]:
        known, encrypted = question["hint"]
        pair = f"Known plaintext and ciphertext pair:\nPlaintext: '{known}'\nCiphertext: '{encrypted}'\n"
        text = f"hint: {pair}\nUse the example above to decode:\n{question['ciphertext']}"
        return {"question": text, "rationale": question["key"]}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """The key is upstream's; used only for the padding of Playfair and Hill, since its Vigenere is inverted."""
        meta, answer = record.get("meta"), record.get("answer")
        if not isinstance(meta, Mapping) or not isinstance(meta.get("question"), str) or not isinstance(answer, str):
            return None
        hint, text = _HINT.search(meta["question"]), _LAST_WORD.search(meta["question"])
        key, answer = upstream_key(meta.get("rationale")), letters(answer)
        if hint is None or text is None or key is None or answer is None:
            return None
        return {"key": dict(key), "hint": [hint[1], hint[2]], "ciphertext": text[1], "plaintext": answer}


def upstream_key(rationale: Any) -> Key | None:
    """The key of a record; for the affine cipher it is a sentence."""
    affine = _AFFINE.search(rationale) if isinstance(rationale, str) else None
    return {"method": "Affine Cipher", "a": int(affine[1]), "b": int(affine[2])} if affine else parse_key(rationale)


def known_text(random: Random, key: Key, length: int) -> str:
    """About this many letters of sentences, without padding by the cipher."""
    text = ""
    while len(text) < length:
        longer = text + sentence(random).replace(" ", "")
        fits = prepared(longer + "Q" * (len(longer) % 2), key)[: len(longer)] == longer
        text = longer if fits else text[:-1]  # with the other parity the next sentence may fit
    return text[: length - length % 6]


def settles(known: str, key: Key, text: str) -> bool:
    """Whether one known pair of texts is enough to decrypt the other text.

    Either every letter, or pair of letters, occurs in it; or it determines the key: Hill's matrix if the known blocks
    span all blocks modulo 2 and modulo 13, the keyword and the number of rails always.
    """
    if key["method"] in ALIKE:
        return set(text) <= set(known)
    if key["method"] == "Playfair Cipher":
        return seen(known).issuperset(couples(text))
    if key["method"] == "Hill Cipher":
        size = len(key["matrix"])
        blocks = [[place(letter) for letter in known[i : i + size]] for i in range(0, len(known), size)]
        return all(rank(blocks, prime) == size for prime in (2, 13))
    return True


def seen(known: str) -> set[str]:
    """The letter pairs known from a text: its own, and their reversals."""
    return {couple[::step] for couple in couples(known) for step in (1, -1)}


def message(random: Random, length: int, known: str) -> str | None:
    """A part of some sentences with known letter pairs only."""
    told = seen(known)
    for _ in range(40):
        text = "".join(sentence(random).replace(" ", "") for _ in range(10))
        run = [0, 0]  # consecutive known pairs, for each parity
        for end in range(2, len(text) + 1):
            run[end % 2] = run[end % 2] + 1 if text[end - 2 : end] in told else 0
            if 2 * run[end % 2] >= length and text[end - length : end] not in known:
                return text[end - length : end]
    return None


def rank(rows: list[list[int]], prime: int) -> int:
    """The rank of a matrix modulo a prime."""
    rows = [[number % prime for number in row] for row in rows]
    for done in count():
        pivot = next(((r, c) for r in range(done, len(rows)) for c, value in enumerate(rows[r]) if value), None)
        if pivot is None:
            return done
        r, c = pivot
        rows[done], rows[r] = rows[r], rows[done]
        inverse = pow(rows[done][c], -1, prime)
        for row in rows[done + 1 :]:
            factor = row[c] * inverse
            row[:] = [(a - factor * b) % prime for a, b in zip(row, rows[done], strict=True)]
    raise AssertionError


TASK = CryptoKPA()
