"""Twiddle against all boards within six turns."""

from __future__ import annotations

from itertools import product

import pytest

from datamodules.enigmata.tasks.twiddle import TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.twiddle import turn

NEAR = {"board": [[4, 1, 3], [5, 2, 6], [7, 8, 9]]}
"""One turn of the upper left square away."""


def back(rows: list[list[int]], r: int, c: int) -> list[list[int]]:
    return turn(turn(turn(rows, r, c), r, c), r, c)


def layers(number: int) -> list[list[str]]:
    """Boards by the fewest turns that order them."""
    start = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    seen, front, found = {str(start)}, [start], [[str(start)]]
    for _ in range(number):
        reached = {str(new): new for rows in front for r, c in product((0, 1), repeat=2) if (new := back(rows, r, c))}
        front = [rows for text, rows in reached.items() if text not in seen]
        seen |= reached.keys()
        found.append([str(rows) for rows in front])
    return found


def test_no_shorter_way_than_the_reference() -> None:
    near = layers(6)
    sizes = [len(layer) for layer in near]
    assert (sum(sizes[1:4]), sum(sizes[3:5]), sum(sizes[5:7])) == (84, 314, 4513)
    for problem in draws(TASK, 60):
        turns = problem.answer.count("(")
        assert str(problem.question["board"]) in near[turns]
        assert turns in {"easy": (1, 2, 3), "medium": (3, 4), "hard": (5, 6)}[problem.difficulty]


@pytest.mark.parametrize(
    "answer",
    ["(0,0)", "(0, 0)", "[(0, 0)]", "[[0, 0]]", "(0,0)->(1,1)->(1,1)->(1,1)->(1,1)", "(0,0) (1,0)" + " (1,0)" * 3],
)
def test_any_way_home_is_right(answer: str) -> None:
    assert TASK.judge(NEAR, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "(0,0)->(0,0)",
        "(1,1)",
        "(0,2)",
        "(0,0)(9,9)",
        "(\u0660,0)",
        "I turn (0,0)",
        "0,0",
        "",
        "(" * 9999,
        "(0,0)" * 1998,
    ],
)
def test_anything_else_is_wrong(answer: str) -> None:
    assert not TASK.judge(NEAR, answer)


def test_a_verdict_does_not_turn_the_board() -> None:
    """Upstream's verifier turns the board that it was given: the second verdict differs."""
    question = {"board": [list(row) for row in NEAR["board"]]}
    assert [TASK.judge(question, "(0,0)") for _ in range(3)] == [True] * 3
    assert question == NEAR


def test_record() -> None:
    for problem in draws(TASK, 5):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert answer == [[int(move[1]), int(move[3])] for move in problem.answer.split("->")]
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question
    assert TASK.question_of({"meta": {"question": [[1, 2], [3, 4]]}}) is None
    assert TASK.question_of({"meta": None}) is None
