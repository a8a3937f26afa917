"""Known plaintexts: an attack that reads the prompt alone and tries every cipher."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from string import ascii_uppercase

from datamodules.enigmata.tasks.crypto_kpa import TASK
from datamodules.enigmata.tasks.task import Question
from tests.oracles.crypto_kka import filled, plain

ALPHABET = ascii_uppercase
NUMBER = {letter: number for number, letter in enumerate(ALPHABET)}


def units(known: str, encrypted: str, text: str, size: int) -> set[str]:
    """Where equal units are encrypted alike, and their mirror images too: look each of them up.

    A unit that stands for two others is a contradiction: no such cipher made the pair.
    """
    book: dict[str, set[str]] = {}
    for i in range(0, len(known), size):
        for step in (1, -1):
            book.setdefault(encrypted[i : i + size][::step], set()).add(known[i : i + size][::step])
    if any(len(meant) > 1 for meant in book.values()):
        return set()
    return {"".join(parts) for parts in product(*(book.get(text[i : i + size], ()) for i in range(0, len(text), size)))}


def keystreams(known: str, encrypted: str, text: str) -> set[str]:
    """Vigenere and autokey with keywords of up to eight letters."""
    added = "".join(ALPHABET[(NUMBER[b] - NUMBER[a]) % 26] for a, b in zip(known, encrypted, strict=True))
    found = set()
    for size, itself in product(range(1, 9), (False, True)):
        if added == (added[:size] + known if itself else added[:size] * len(known))[: len(known)]:
            plain = ""
            for i, letter in enumerate(text):
                shift = added[i] if i < size else plain[i - size] if itself else added[i % size]
                plain += ALPHABET[(NUMBER[letter] - NUMBER[shift]) % 26]
            found.add(plain)
    return found


def zigzags(known: str, encrypted: str, text: str) -> set[str]:
    def order(length: int, rails: int) -> list[int]:
        rows = ([*range(rails), *range(rails - 2, 0, -1)] * length)[:length]
        return sorted(range(length), key=lambda i: (rows[i], i))

    found = set()
    for rails in range(2, 10):
        if "".join(known[i] for i in order(len(known), rails)) == encrypted:
            found.add("".join(letter for _, letter in sorted(zip(order(len(text), rails), text, strict=True))))
    return found


def matrices(known: str, encrypted: str, text: str, size: int) -> set[str]:
    """Hill: for each row all 26 ** size guesses, then for each block all 26 ** size plaintexts."""
    if len(known) % size or len(text) % size:
        return set()
    blocks = [[NUMBER[letter] for letter in known[i : i + size]] for i in range(0, len(known), size)]
    rows = []
    for place in range(size):
        guesses = list(product(range(26), repeat=size))
        for block, value in zip(blocks, encrypted[place::size], strict=True):
            guesses = [guess for guess in guesses if sum(map(int.__mul__, guess, block)) % 26 == NUMBER[value]]
        rows.append(guesses)
    if not all(rows):
        return set()
    assert all(len(guesses) == 1 for guesses in rows)
    plain = ""
    for i in range(0, len(text), size):
        target = [NUMBER[letter] for letter in text[i : i + size]]
        (block,) = (
            block
            for block in product(range(26), repeat=size)
            if all(sum(map(int.__mul__, row[0], block)) % 26 == value for row, value in zip(rows, target, strict=True))
        )
        plain += "".join(ALPHABET[number] for number in block)
    return {plain}


@cache
def attacked(prompt: str) -> set[str]:
    """Every plaintext that some cipher and key agree on with the pair."""
    encrypted, text = re.findall(r"Ciphertext: ([A-Z]+)", prompt)
    known = re.findall(r"Plaintext: ([A-Z]+)", prompt)[0]
    found = keystreams(known, encrypted, text) | zigzags(known, encrypted, text)
    found |= units(known, encrypted, text, 1) or units(known, encrypted, text, 2)
    return found | matrices(known, encrypted, text, 2) | matrices(known, encrypted, text, 3)


def right(question: Question, answer: str) -> bool:
    """Where several texts are possible none is right: `attacked` must leave one."""
    text = plain(answer)
    return text is not None and attacked(TASK.ask(question)) == {filled(text, question["key"])}
