"""Knights and knaves: the text read by its oracle, all worlds tried."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from datamodules.enigmata.tasks.knights_and_knaves import TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.knights_and_knaves import solved


def test_the_verdict_is_that_of_all_worlds() -> None:
    for problem in draws(TASK, 25):
        verdict, worlds = solved(problem.question["text"])
        assert verdict == problem.answer
        assert worlds >= 1
        assert worlds == 1 or problem.difficulty == "medium"


def test_every_verdict_occurs() -> None:
    counts = Counter((problem.difficulty, problem.answer) for problem in draws(TASK, 40))
    assert min(counts[level, verdict] for level in ("easy", "hard") for verdict in TASK.verdicts[:2]) >= 10
    assert min(counts["medium", verdict] for verdict in TASK.verdicts) >= 5


@pytest.mark.parametrize("answer", ["Entailment", '"entailment"', "ENTAILMENT.", " `Entailment` "])
def test_right_answers(answer: str) -> None:
    assert TASK.judge({"text": "", "verdict": "Entailment"}, answer)


@pytest.mark.parametrize(
    "answer", ["Contradiction", "Entailment or Unknown", "not Entailment", "Entail", "", "E" * 9999]
)
def test_wrong_answers(answer: str) -> None:
    assert not TASK.judge({"text": "", "verdict": "Entailment"}, answer)


def test_names_do_not_make_another_puzzle() -> None:
    (problem, *_) = draws(TASK, 1)
    names = re.findall(r"[A-Z]\w+", problem.question["text"].partition(" live here.")[0])
    renamed = problem.question["text"].replace(names[0], "Zeno!").replace(names[1], "Yara!").replace("!", "")
    assert TASK.canonical({**problem.question, "text": renamed}) == TASK.canonical(problem.question)


def test_records() -> None:
    for problem in draws(TASK, 3):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
    for record in ({}, {"meta": {"question": 3}, "answer": "Unknown"}, {"meta": {"question": "x"}, "answer": []}):
        assert TASK.question_of(record) is None


def test_difficulty() -> None:
    people = [problem.question["text"].partition(" live here.")[0].count(",") + 2 for problem in draws(TASK, 8)]
    assert max(people[:8]) <= 5 < 8 <= min(people[16:])
