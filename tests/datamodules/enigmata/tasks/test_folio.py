"""FOLIO: the text read by its oracle, all small models tried."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from datamodules.enigmata.tasks.folio import TASK, denied, drawn_sentence, possible
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.folio import solved


def test_the_verdict_is_that_of_all_models() -> None:
    for problem in draws(TASK, 25):
        assert solved(problem.question["text"]) == problem.answer, problem.question["text"]


def test_every_verdict_occurs() -> None:
    counts = Counter((problem.difficulty, problem.answer) for problem in draws(TASK, 40))
    assert len(counts) == 9
    assert min(counts.values()) >= 5


def test_two_denials_are_none() -> None:
    for seed in range(200):
        one = drawn_sentence(Random(seed), ["Abel", "Bela"], ["wug", "tove", "gorp"])
        twice = denied(denied(one))
        assert not possible([one, denied(one)])
        assert possible([one, twice])
        assert not possible([twice, denied(one)])


@pytest.mark.parametrize(
    ("premises", "conclusion", "verdict"),
    [
        ("Every wug is a tove.\nEvery tove is a gorp.\nAbel is a wug.", "Abel is a gorp.", "True"),
        ("No wug is a tove.\nSome gorp is a tove.", "Every gorp is a wug.", "False"),
        ("Every wug is a tove.", "Some wug is a tove.", "Unknown"),
        ("Every wug is a tove.\nSome wug is not a gorp.", "Some tove is not a gorp.", "True"),
    ],
)
def test_the_reader_itself(premises: str, conclusion: str, verdict: str) -> None:
    assert solved(f"{premises}\nConclusion: {conclusion}") == verdict


@pytest.mark.parametrize("answer", ["False", "true or Unknown", "not True", "1", "", "T" * 9999, "True\nFalse"])
def test_wrong_answers(answer: str) -> None:
    assert not TASK.judge({"text": "", "verdict": "True"}, answer)
    assert TASK.judge({"text": "", "verdict": "True"}, '"true."')


def test_records() -> None:
    for problem in draws(TASK, 3):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
    assert TASK.question_of({"meta": {"question": "x"}, "answer": True}) is None


def test_difficulty() -> None:
    lines = [problem.question["text"].count("\n") for problem in draws(TASK, 8)]
    assert max(lines[:8]) <= 5 < min(lines[8:16]) == max(lines[8:16]) < min(lines[16:])
