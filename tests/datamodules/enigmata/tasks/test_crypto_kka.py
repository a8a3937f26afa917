"""Known keys: every cipher decrypted by hand."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from datamodules.enigmata.tasks.answers import unquoted
from datamodules.enigmata.tasks.ciphers import ENCRYPT, encrypt, opening
from datamodules.enigmata.tasks.crypto_kka import TASK
from datamodules.enigmata.tasks.task import DIFFICULTIES
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.crypto_kka import decrypted


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
