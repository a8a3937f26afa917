"""Countdown against all orders of steps."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement

import pytest

from datamodules.enigmata.tasks.countdown import TASK, positive
from datamodules.enigmata.tasks.expressions import forms
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.countdown import right

EASY = {"numbers": [1, 2, 3, 4, 5], "target": 40, "solvable": True}


def reachable(numbers: tuple[int, ...]) -> set[int]:
    if len(numbers) == 1:
        return set(numbers)
    found: set[int] = set()
    for i, j in combinations(range(len(numbers)), 2):
        rest = tuple(number for place, number in enumerate(numbers) if place not in (i, j))
        a, b = max(numbers[i], numbers[j]), min(numbers[i], numbers[j])
        for joined in {a + b, a * b, *([a - b] if a > b else []), *([a // b] if a % b == 0 else [])}:
            found |= reachable((*rest, joined))
    return found


def test_every_target_of_small_hands() -> None:
    for numbers in [*combinations_with_replacement((1, 2, 5, 8), 3), (1, 1, 2, 2), (3, 4, 6, 9)]:
        values = reachable(numbers)
        for target in range(1, 80):
            expression = forms(list(numbers), target, positive)
            assert (expression is not None) == (target in values), (numbers, target)
            assert expression is None or right({"numbers": list(numbers), "target": target}, expression)


@pytest.mark.parametrize("answer", ["(1+2+5)*(4-3)*5", "5*(1+3)*2*4", "2*4*5*1", "", "cannot form 40", "40"])
def test_wrong_numbers(answer: str) -> None:
    assert not TASK.judge(EASY, answer)


@pytest.mark.parametrize(
    "answer", ["5*(1+3+4)*(3-2)", "40 = 5*8", "4*5*2*3/1/3", "4*5*(1-2+3)", "2/1*4*5*(3-3)", "1e1"]
)
def test_wrong_steps(answer: str) -> None:
    assert not TASK.judge(EASY, answer)


@pytest.mark.parametrize(
    "answer", ["5*(1+4+3)", "5*4*(3-2+1)", "(3-2+1)*4*5=40", "5x4x(3\u22122+1) = 40", "(3-2+1)*(4)*5"]
)
def test_right_and_left_to_right(answer: str) -> None:
    assert TASK.judge(EASY, answer) == (answer != "5*(1+4+3)")


def test_positive_whole_steps() -> None:
    assert TASK.judge({"numbers": [2, 3, 10], "target": 9, "solvable": True}, "10+2-3")
    assert not TASK.judge({"numbers": [2, 3, 10], "target": 9, "solvable": True}, "2-3+10")
    assert not TASK.judge({"numbers": [3, 2, 4], "target": 6, "solvable": True}, "3/2*4")
    assert not TASK.judge({"numbers": [3, 27], "target": 24, "solvable": True}, "-3+27")
    assert TASK.judge({"numbers": [1, 1], "target": 50, "solvable": False}, "`cannot form 50`")


def test_hostile() -> None:
    for answer in ("(" * 10_000, "5*" * 400 + "8", "9" * 10_000, "(((40", "40)))", "+".join("12345") + "=1" * 4000):
        assert not TASK.judge(EASY, answer)


def test_records() -> None:
    for problem in draws(TASK, 5):
        question, answer = problem.question, problem.answer
        record = {"meta": TASK.meta(question), "answer": TASK.upstream_answer(question, answer)}
        assert TASK.question_of(record) == question
        assert TASK.judge(question, str(record["answer"]))
    for meta in (
        None,
        {},
        {"question": [1, 2]},
        {"question": [1, 2], "target": "3"},
        {"question": [1] * 9, "target": 3},
    ):
        assert TASK.question_of({"meta": meta, "answer": ""}) is None


def test_difficulty() -> None:
    assert [len(problem.question["numbers"]) for problem in draws(TASK, 1)] == [5, 6, 7]
