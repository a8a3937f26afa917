"""Nine classical ciphers over the letters A to Z, and plaintext sentences, for both cipher tasks.

A key is plain data as in upstream's records: `{"method": "Caesar Cipher", "shift": 3}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import gcd
from random import Random
from string import ascii_uppercase
from typing import Any

Key = Mapping[str, Any]

ALPHABET = ascii_uppercase
VIGENERE = "Vigen\u00e8re Cipher"
SQUARE_LETTERS = ALPHABET.replace("J", "")
_LETTERS = re.compile(r"[A-Z]{1,1000}")
_FILLING = str.maketrans("", "", " \t\n\r\"'`.,-_")
_SMALL = str.maketrans(ALPHABET.lower(), ALPHABET)

PEOPLE = (
    "FARMER", "SAILOR", "BAKER", "PAINTER", "TEACHER", "DOCTOR", "WRITER", "SINGER", "HUNTER", "QUEEN", "KING", "CHILD",
    "VISITOR", "NEIGHBOR",
)  # fmt: skip
DEEDS = (
    "SAW", "HEARD", "FOUND", "TOOK", "LOST", "SOLD", "WANTED", "CARRIED", "WATCHED", "MOVED", "BOUGHT", "BROUGHT",
    "HID", "REMEMBERED",
)  # fmt: skip
LOOKS = ("OLD", "YOUNG", "QUIET", "BRAVE", "TIRED", "KIND", "STRANGE", "PROUD", "FAMOUS", "GENTLE")
SHADES = ("RED", "BLUE", "GOLDEN", "HEAVY", "BROKEN", "EMPTY", "FRESH", "SMALL", "DARK", "EXPENSIVE")
THINGS = (
    "LANTERN", "BASKET", "BOAT", "CLOCK", "LADDER", "BLANKET", "PIANO", "WAGON", "MAP", "TABLE", "KNIFE", "VIOLIN",
    "BOX", "SCARF", "QUILT",
)  # fmt: skip
CIRCUMSTANCES = (
    "NEAR THE RIVER", "BEHIND THE CHURCH", "AT THE MARKET", "IN THE FOREST", "UNDER THE BRIDGE", "BY THE OLD MILL",
    "ON THE HILL", "OUTSIDE THE VILLAGE", "IN THE GARDEN", "ALONG THE COAST", "BEFORE THE ZOO OPENED", "LAST WEEK",
    "NEXT TO THE SQUARE", "IN THE MORNING", "LATE AT NIGHT", "AFTER THE STORM", "BEFORE SUNRISE", "ON A COLD DAY",
    "WITHOUT A WORD", "ONCE MORE",
)  # fmt: skip


def sentence(random: Random) -> str:
    """One of millions of sentences, in capitals with spaces."""
    choose = random.choice
    (one, other), thing = random.sample(PEOPLE, 2), choose(THINGS)
    end = choose((f"OF THE {other}", choose(CIRCUMSTANCES), choose(CIRCUMSTANCES), f"WITH MY {choose(THINGS)}"))
    return f"THE {choose(LOOKS)} {one} {choose(DEEDS)} THE {choose(SHADES)} {thing} {end}"


def opening(random: Random, length: int) -> str:
    """This many letters of English text, from the start of a word."""
    words = sentence(random).split()[random.randrange(6) :]
    while len("".join(words)) < length:
        words += sentence(random).split()
    return "".join(words)[:length]


def letters(text: str) -> str | None:
    """The letters of a text in capitals; None if it has anything but letters, spaces, quotes and full stops."""
    text = text.translate(_FILLING).translate(_SMALL)
    return text if _LETTERS.fullmatch(text) else None


def prepared(text: str, key: Key) -> str:
    """The text prepared for its cipher: Playfair has no J, and Playfair and Hill pad with X."""
    if key["method"] == "Playfair Cipher":
        return "".join(couples(text.replace("J", "I")))
    size = len(key["matrix"]) if key["method"] == "Hill Cipher" else 1
    return text + "X" * (-len(text) % size)


def encrypt(text: str, key: Key) -> str:
    """The ciphertext of letters."""
    return ENCRYPT[key["method"]](prepared(text, key), key)


def affine(text: str, key: Key) -> str:
    """x becomes a x + b."""
    return shifted(text, key["a"], [key["b"]] * len(text))


def atbash(text: str, key: Key) -> str:
    """The alphabet reversed."""
    return shifted(text, -1, [25] * len(text))


def caesar(text: str, key: Key) -> str:
    """The same shift for all letters."""
    return shifted(text, 1, [key["shift"]] * len(text))


def vigenere(text: str, key: Key) -> str:
    """The repeated keyword is added."""
    return shifted(text, 1, [place(key["keyword"][i % len(key["keyword"])]) for i in range(len(text))])


def autokey(text: str, key: Key) -> str:
    """The keyword followed by the text is added."""
    return shifted(text, 1, [place(letter) for letter in (key["keyword"] + text)[: len(text)]])


def substitution(text: str, key: Key) -> str:
    """Each letter is replaced by that of another alphabet."""
    return "".join(key["key"][place(letter)] for letter in text)


def rail_fence(text: str, key: Key) -> str:
    """The text is written down and up over the rails, then read rail by rail."""
    rails = key["rails"]
    turn = max(1, 2 * rails - 2)
    return "".join(text[i] for rail in range(rails) for i in range(len(text)) if min(i % turn, turn - i % turn) == rail)


def hill(text: str, key: Key) -> str:
    """Each block is multiplied by a matrix."""
    size, codes = len(key["matrix"]), list(map(place, text))
    blocks = [codes[i : i + size] for i in range(0, len(codes), size)]
    return "".join(
        ALPHABET[sum(a * b for a, b in zip(row, block, strict=True)) % 26] for block in blocks for row in key["matrix"]
    )


def playfair(text: str, key: Key) -> str:
    """Pairs in a 5 x 5 square: same row: to the right; same column: down; else the column of the other letter."""
    square = square_of(key["keyword"])
    found = []
    for couple in couples(text):
        (r, c), (s, d) = (divmod(square.index(letter), 5) for letter in couple)
        if r == s:
            found += [(r, (c + 1) % 5), (s, (d + 1) % 5)]
        elif c == d:
            found += [((r + 1) % 5, c), ((s + 1) % 5, d)]
        else:
            found += [(r, d), (s, c)]
    return "".join(square[5 * r + c] for r, c in found)


def square_of(keyword: str) -> str:
    """The letters of the keyword, then the others, without J, in rows of five."""
    return "".join(dict.fromkeys(keyword.replace("J", "I") + SQUARE_LETTERS))


def couples(text: str) -> list[str]:
    """Split into pairs, with an X between two equal letters and after an odd last one."""
    found, i = [], 0
    while i < len(text):
        whole = i + 1 < len(text) and (text[i + 1] != text[i] or text[i] == "X")
        found.append(text[i : i + 2] if whole else text[i] + "X")
        i += 2 if whole else 1
    return found


def shifted(text: str, factor: int, offsets: list[int]) -> str:
    """Each letter's index times the factor, plus its offset."""
    return "".join(ALPHABET[(factor * place(a) + b) % 26] for a, b in zip(text, offsets, strict=True))


def place(letter: str) -> int:
    """The index of a letter; A is 0."""
    return ord(letter) - 65


ENCRYPT: dict[str, Callable[[str, Key], str]] = {
    "Affine Cipher": affine,
    "Atbash Cipher": atbash,
    "Autokey Cipher": autokey,
    "Caesar Cipher": caesar,
    "Hill Cipher": hill,
    "Playfair Cipher": playfair,
    "Rail Fence Cipher": rail_fence,
    "Substitution Cipher": substitution,
    VIGENERE: vigenere,
}

RULES = {
    "Affine Cipher": "each letter number x becomes a*x + b modulo 26",
    "Atbash Cipher": "the alphabet is reversed: A becomes Z, B becomes Y",
    "Autokey Cipher": "the letters of the keyword, once, and then of the text itself are added to the text modulo 26",
    "Caesar Cipher": "each letter moves forward by the same shift",
    "Hill Cipher": "blocks of letter numbers, as columns, are multiplied from the left by a matrix modulo 26",
    "Playfair Cipher": (
        "a 5 x 5 square is filled by rows with the keyword's letters and then the rest of the alphabet, I standing for "
        "J; of each pair of letters both move one to the right if they share a row, one down if they share a column "
        "(around the edge), and otherwise each takes the letter of its own row in the other's column"
    ),
    "Rail Fence Cipher": (
        "the text is written in a zigzag down and up over the rails, from the top one on, and read rail by rail"
    ),
    "Substitution Cipher": "A to Z become the letters of a permuted alphabet",
    VIGENERE: "the letters of the keyword, again and again, are added to the text modulo 26",
}


def drawn_key(random: Random, method: str, strength: Any) -> dict[str, Any]:
    """A random key of this method; its strength is upstream's variable of the method."""
    key: dict[str, Any] = {"method": method}
    if method == "Affine Cipher":
        return {**key, "a": random.choice(strength), "b": random.randrange(26)}
    if method == "Caesar Cipher":
        return {**key, "shift": random.randint(*strength)}
    if method == "Rail Fence Cipher":
        return {**key, "rails": strength}
    if method == "Hill Cipher":
        return {**key, "matrix": drawn_matrix(random, strength)}
    if method == "Substitution Cipher":
        return {**key, "key": "".join(random.sample(ALPHABET, 26))}
    if method == "Playfair Cipher":
        return {**key, "keyword": "".join(random.sample(SQUARE_LETTERS, strength))}
    return key if method == "Atbash Cipher" else {**key, "keyword": "".join(random.choices(ALPHABET, k=strength))}


def drawn_matrix(random: Random, size: int) -> list[list[int]]:
    """A random square matrix that is invertible modulo 26."""
    while True:
        matrix = [[random.randrange(26) for _ in range(size)] for _ in range(size)]
        if gcd(determinant(matrix), 26) == 1:
            return matrix


def determinant(matrix: list[list[int]]) -> int:
    """The determinant, by expansion along the first row."""
    if not matrix:
        return 1
    minors = ([row[:c] + row[c + 1 :] for row in matrix[1:]] for c in range(len(matrix)))
    return sum((-1) ** c * matrix[0][c] * determinant(minor) for c, minor in enumerate(minors))


def parse_key(data: Any) -> Key | None:
    """The key of a record; None if `encrypt` cannot use it."""
    method = data.get("method") if isinstance(data, Mapping) else None
    if not isinstance(method, str) or method not in ENCRYPT:
        return None
    keyword, matrix = data.get("keyword"), data.get("matrix")
    if method == "Substitution Cipher":
        key = data.get("key")
        key = "".join(map(str, key)) if isinstance(key, list) else key
        whole = isinstance(key, str) and len(key) == 26 and set(key) == set(ALPHABET)
        return {"method": method, "key": key} if whole else None
    if method == "Hill Cipher":
        rows = matrix if isinstance(matrix, list) and 0 < len(matrix) <= 5 else [None]
        fits = all(isinstance(row, list) and len(row) == len(rows) and all(map(small, row)) for row in rows)
        return {"method": method, "matrix": rows} if fits else None
    if method in ("Autokey Cipher", "Playfair Cipher", VIGENERE):
        fits = isinstance(keyword, str) and 0 < len(keyword) <= 30 and not set(keyword) - set(ALPHABET)
        return {"method": method, "keyword": keyword} if fits else None
    names = {"Affine Cipher": ("a", "b"), "Caesar Cipher": ("shift",), "Rail Fence Cipher": ("rails",)}.get(method, ())
    fits = all(small(data.get(name)) for name in names) and data.get("rails") != 0
    return {"method": method, **{name: data[name] for name in names}} if fits else None


def small(number: Any) -> bool:
    """Whether it is an integer allowed in a key."""
    return type(number) is int and 0 <= number < 100
