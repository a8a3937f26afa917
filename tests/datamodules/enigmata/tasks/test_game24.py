"""The 24 game against all orders of steps."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import combinations_with_replacement

import pytest

from datamodules.enigmata.tasks.expressions import evaluate, forms, tokens
from datamodules.enigmata.tasks.game24 import TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.game24 import reachable

EIGHTS = {"numbers": [3, 3, 8, 8], "solvable": True}
ONES = {"numbers": [1, 1, 1, 1], "solvable": False}


def pythons_value(text: str) -> Fraction | None:
    """What Python makes of an expression of the test's own; it has more signs than ours."""
    if not re.fullmatch(r"[-+*/() 0-9]*", text) or re.search(r"\*\s*\*|/\s*/|[-+*/]\s*[-+]|\(\s*\+|^\s*\+", text):
        return None
    try:
        return eval(re.sub(r"\d+", r"Fraction(\g<0>)", re.sub(r"\b0\d+", "?", text)), {"Fraction": Fraction})
    except (SyntaxError, ZeroDivisionError, TypeError):
        return None


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_every_value_of_three_numbers_and_some_of_four() -> None:
    for numbers in [*combinations_with_replacement(range(1, 5), 3), (1, 5, 5, 5)]:
        values = reachable(tuple(map(Fraction, numbers)))
        for target in range(-10, 60):
            expression = forms(list(numbers), target)
            assert (expression is not None) == (target in values), (numbers, target)
            assert expression is None or pythons_value(expression) == target


def test_hands_without_an_expression() -> None:
    """Every sixtieth hand of four; of all 1820, 1362 can be solved."""
    for hand in list(combinations_with_replacement(range(1, 14), 4))[::60]:
        assert (forms(list(hand), 24) is None) == (24 not in reachable(tuple(map(Fraction, hand)))), hand


@pytest.mark.parametrize(
    "answer",
    ["8/(3-8/3)", "8 / (3 - 8 / 3) = 24", "8 \u00f7 [3 \u2212 8 \u00f7 3]", "((8)/((3-(8/3))))", "-8/(8/3-3)"],
)
def test_right_answers(answer: str) -> None:
    assert TASK.judge(EIGHTS, answer)


WRONG = """8/(3-8/3) = 25|24|8*3|3*8+3-3|8*3*(8-3)|8/(3-8/3|8/(3-8/3))|8/(3-8/3)=24=24|8(3-8/3)|3**3-8/8|88-33|8+8+8|1/0
8/(3-08/3)|cannot form 24|8/(\uff13-8/3)|8/(3-8/3)#|__import__('os')|()|\x00|8/(3-8/3),|+8/(3-8/3)""".replace("\n", "|")
HOSTILE = ["(" * 10_000, "(" * 400 + "8/(3-8/3)", "-" * 900, "9" * 10_000, "8/(3-8/3)" + "+0" * 400, "1/" * 450 + "3"]


@pytest.mark.parametrize("answer", [*WRONG.split("|"), *HOSTILE])
def test_wrong_answers(answer: str) -> None:
    assert not TASK.judge(EIGHTS, answer)


def test_impossible_only_where_it_is() -> None:
    assert TASK.judge(ONES, "Cannot form 24.")
    assert not TASK.judge(ONES, "1+1+1+1")
    assert {problem.question["solvable"] for problem in draws(TASK, 30)} == {True, False}


def test_minus_and_order_of_signs() -> None:
    for text in ("2-3-4", "2/3/4*5", "-2*3+4", "-(2-3)*4", "2*(3+4)/5-6", "(-2)/(3)", "1-2*3/4+5"):
        assert evaluate(tokens(text) or []) == pythons_value(text)


def test_records() -> None:
    for problem in draws(TASK, 5):
        question, answer = problem.question, problem.answer
        record = {"meta": TASK.meta(question), "answer": TASK.upstream_answer(question, answer)}
        assert TASK.question_of(record) == question
        assert TASK.judge(question, str(record["answer"]))
    for meta in (
        None,
        [],
        {},
        {"question": "1 2"},
        {"question": [1, "2"]},
        {"question": [1] * 50},
        {"question": [True]},
    ):
        assert TASK.question_of({"meta": meta, "answer": ""}) is None


def test_difficulty() -> None:
    assert [len(problem.question["numbers"]) for problem in draws(TASK, 1)] == [4, 5, 6]
