"""Known keys: every cipher decrypted by the test's own hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest

from datamodules.puzzles.enigmata.answers import unquoted
from datamodules.puzzles.enigmata.ciphers import ALPHABET, ENCRYPT, SQUARE_LETTERS, encrypt, opening, prepared
from datamodules.puzzles.enigmata.crypto_kka import TASK
from datamodules.puzzles.enigmata.task import DIFFICULTIES, Question
from tests.datamodules.puzzles.enigmata.contract import check_contract, check_corrupted, check_distinct, draws


def by_table(encrypted: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join({encrypted(letter): letter for letter in ALPHABET}[letter] for letter in text)


def by_keystream(text: str, keyword: str, itself: bool) -> str:
    found, stream = "", list(keyword)
    for i, letter in enumerate(text):
        found += ALPHABET[(ALPHABET.index(letter) - ALPHABET.index(stream[i])) % 26]
        stream.append(found[-1] if itself else stream[i])
    return found


def by_square(text: str, keyword: str) -> str:
    letters = [*keyword, *(letter for letter in SQUARE_LETTERS if letter not in keyword)]
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


def decrypted(text: str, key: dict[str, Any]) -> str:
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


def right(question: Question, answer: str) -> bool:
    text = re.sub(r"[\s\"'`.,_-]", "", answer).upper()
    if not re.fullmatch("[A-Z]+", text):
        return False
    return prepared(text, question["key"]) == decrypted(question["ciphertext"], question["key"])


def test_contract() -> None:
    check_contract(TASK)


def test_distinct() -> None:
    check_distinct(TASK)


def test_corrupted_answers() -> None:
    check_corrupted(TASK, right, number=4)


def test_every_cipher_of_every_difficulty() -> None:
    for difficulty in DIFFICULTIES:
        for settings in TASK.levels[difficulty]:
            drawn = [TASK.draw(Random(seed), **settings) for seed in range(8)]
            found = [pair for pair in drawn if pair is not None]
            assert len(found) >= 2
            for question, answer in found[:2]:
                assert decrypted(question["ciphertext"], question["key"]) == answer


PLAYFAIR = {"method": "Playfair Cipher", "keyword": "PLAYFIREXM"}


@pytest.mark.parametrize(
    ("key", "text", "cipher"),
    [
        (PLAYFAIR, "HIDETHEGOLDINTHETREXESTUMP", "BMODZBXDNABEKUDMUIXMMOUVIF"),
        (PLAYFAIR, "HIDETHEGOLDINTHETREESTUMP", "BMODZBXDNABEKUDMUIXMMOUVIF"),
        ({"method": "Hill Cipher", "matrix": [[6, 24, 1], [13, 16, 10], [20, 17, 15]]}, "ACT", "POH"),
        ({"method": "Rail Fence Cipher", "rails": 3}, "WEAREDISCOVEREDFLEEATONCE", "WECRLTEERDSOEEFEAOCAIVDEN"),
        ({"method": "Vigen\u00e8re Cipher", "keyword": "LEMON"}, "ATTACKATDAWN", "LXFOPVEFRNHR"),
        ({"method": "Autokey Cipher", "keyword": "QUEENLY"}, "ATTACKATDAWN", "QNXEPVYTWTWP"),
        ({"method": "Affine Cipher", "a": 5, "b": 8}, "AFFINECIPHER", "IHHWVCSWFRCP"),
    ],
)  # fmt: skip
def test_examples_from_textbooks(key: dict[str, Any], text: str, cipher: str) -> None:
    assert encrypt(text, key) == cipher
    assert TASK.judge({"key": key, "ciphertext": cipher}, text)


def test_what_playfair_can_not_tell() -> None:
    question = {"key": PLAYFAIR, "ciphertext": encrypt("BALLOONJ", PLAYFAIR)}
    assert all(TASK.judge(question, text) for text in ("balloonj", "BALXLOONI", "BA LX LO ON IX", '"BALLOONI."'))
    assert not any(TASK.judge(question, text) for text in ("BALOON", "BALLOON", "BALLOONK", "BALLOONIXX", "BALL00NI"))


def test_a_block_of_hill_is_filled_up() -> None:
    key = {"method": "Hill Cipher", "matrix": [[3, 3], [2, 5]]}
    question = {"key": key, "ciphertext": encrypt("HEL", key)}
    assert TASK.judge(question, "HEL")
    assert TASK.judge(question, "HELX")


def test_hostile() -> None:
    for problem in draws(TASK, 6):
        for answer in (
            problem.answer * 400,
            problem.answer + "\u0130",
            "\u017f" * 9,
            "1" + problem.answer,
            "A" * 10_000,
        ):
            assert not TASK.judge(problem.question, answer)
        assert TASK.judge(problem.question, f" {unquoted(problem.answer).lower()} ")


def test_records() -> None:
    for problem in draws(TASK, 15):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
    for method in [*ENCRYPT, "Enigma", [], None]:
        for value in (None, [], "J1", -1, [[1, "2"]], [[1]] * 2, 0):
            key = {"method": method} | dict.fromkeys(("shift", "a", "b", "keyword", "key", "matrix", "rails"), value)
            meta = {"question": "Ciphertext: ABC", "rationale": key}
            question = TASK.question_of({"meta": meta, "answer": "ABC"})
            assert question is None or TASK.judge(question, "XYZ") in (True, False)


def test_difficulty() -> None:
    lengths = [sum(len(problem.answer) for problem in draws(TASK, 20)[20 * i : 20 * i + 20]) for i in range(3)]
    assert lengths == sorted(lengths)
    assert len(opening(Random(0), 200)) == 200
