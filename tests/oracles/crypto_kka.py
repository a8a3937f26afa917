"""Known keys: the ciphertext decrypted, each cipher by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import product
from string import ascii_uppercase
from typing import Any

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import QUOTES

ALPHABET = ascii_uppercase

Key = dict[str, Any]


def right(question: Question, answer: str) -> bool:
    text, key = plain(answer), question["key"]
    return text is not None and filled(text, key) == decrypted(question["ciphertext"], key)


def plain(answer: str) -> str | None:
    """The capitals of an answer that is made of letters, blanks, quotes and stops."""
    text = re.sub(r"[ \t\r\n\"'`.,_-]", "", answer.strip(QUOTES)).upper()
    return text if re.fullmatch("[A-Z]+", text) else None


def filled(text: str, key: Key) -> str:
    """With the letters X that Hill and Playfair put in, and without J in Playfair."""
    if key["method"] == "Hill Cipher":
        while len(text) % len(key["matrix"]):
            text += "X"
    if key["method"] == "Playfair Cipher":
        text, place = text.replace("J", "I"), 0
        while place < len(text):
            if text[place + 1 : place + 2] == text[place] != "X" or place + 1 == len(text):
                text = f"{text[: place + 1]}X{text[place + 1 :]}"
            place += 2
    return text


def decrypted(text: str, key: Key) -> str:
    match key["method"].split()[0]:
        case "Affine":
            return by_table(lambda x: ALPHABET[(key["a"] * ALPHABET.index(x) + key["b"]) % 26])(text)
        case "Atbash":
            return by_table(lambda x: ALPHABET[::-1][ALPHABET.index(x)])(text)
        case "Caesar":
            return by_table(lambda x: (ALPHABET * 2)[ALPHABET.index(x) + key["shift"]])(text)
        case "Substitution":
            return by_table(lambda x: key["key"][ALPHABET.index(x)])(text)
        case "Playfair":
            return by_square(text, key["keyword"])
        case "Hill":
            return by_blocks(text, tuple(map(tuple, key["matrix"])))
        case "Rail":
            return by_zigzag(text, key["rails"])
        case other:
            return by_keystream(text, key["keyword"], itself=other == "Autokey")


def by_table(encrypted: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join({encrypted(letter): letter for letter in ALPHABET}[letter] for letter in text)


def by_keystream(text: str, keyword: str, itself: bool) -> str:
    found, stream = "", list(keyword)
    for i, letter in enumerate(text):
        found += ALPHABET[(ALPHABET.index(letter) - ALPHABET.index(stream[i])) % 26]
        stream.append(found[-1] if itself else stream[i])
    return found


def by_square(text: str, keyword: str) -> str:
    letters = [*keyword, *(letter for letter in ALPHABET if letter not in keyword + "J")]
    at = {letter: divmod(i, 5) for i, letter in enumerate(letters)}
    found = ""
    for a, b in zip(text[::2], text[1::2], strict=True):
        (r, c), (s, d) = at[a], at[b]
        places = [(r, c - 1), (s, d - 1)] if r == s else [(r - 1, c), (s - 1, d)] if c == d else [(r, d), (s, c)]
        found += "".join(letters[5 * (i % 5) + j % 5] for i, j in places)
    return found


def by_zigzag(text: str, rails: int) -> str:
    rows = [([*range(rails), *range(rails - 2, 0, -1)] * len(text))[i] for i in range(len(text))]
    order = sorted(range(len(text)), key=lambda i: (rows[i], i))
    return "".join(letter for _, letter in sorted(zip(order, text, strict=True)))


@cache
def by_blocks(text: str, matrix: tuple[tuple[int, ...], ...]) -> str:
    """The first of all blocks that the matrix turns into each block."""
    size = len(matrix)
    found = ""
    for i in range(0, len(text), size):
        block = [ALPHABET.index(letter) for letter in text[i : i + size]]
        fits = (
            guess
            for guess in product(range(26), repeat=size)
            if all(sum(map(int.__mul__, row, guess)) % 26 == value for row, value in zip(matrix, block, strict=True))
        )
        found += "".join(ALPHABET[number] for number in next(fits))
    return found
