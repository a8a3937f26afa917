"""Magic squares against all squares of small numbers, and against the linear equations they obey."""

from __future__ import annotations

import re
from itertools import permutations, product

import pytest

from datamodules.enigmata.tasks.magic_square import TASK
from datamodules.enigmata.tasks.task import DIFFICULTIES, Question
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.magic_square import Square, keeps, magic


def solutions(question: Question, reach: int) -> list[Square]:
    """All with a center and steps up to this: a magic square is its center and two steps."""
    found = []
    for e, u, v in product(range(-reach, reach + 1), repeat=3):
        square = [[e + u, e - u - v, e + v], [e - u + v, e, e + u - v], [e - v, e + u + v, e - u]]
        found += [square] if keeps(square, question) and magic(square) else []
    return found


def test_exactly_the_magic_squares_of_one_to_nine() -> None:
    empty = {"grid": [[None] * 3 for _ in range(3)]}
    squares = ([list(p[:3]), list(p[3:6]), list(p[6:])] for p in permutations(range(1, 10)) if p[0] + p[8] == 10)
    passed = [square for square in squares if TASK.judge(empty, str(square))]
    assert len(passed) == 8
    assert all(magic(square) for square in passed)


def test_all_references_are_turned_and_mirrored() -> None:
    seen = set()
    for problem in draws(TASK, 60):
        numbers = [int(word) for word in re.findall(r"-?\d+", problem.answer)]
        seen.add(tuple(sorted(numbers).index(number) for number in numbers))
        assert len(numbers) == 9
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("grid", "number"),
    [
        (
            [[None, None, None], [None, 0, None], [None, None, 3]],
            12,
        ),  # steps of -8 to 8 without 0, 3, 6 and their negatives
        ([[1, None, None], [2, 0, None], [None, None, None]], 1),
        ([[1, None, None], [1, 0, None], [None, None, None]], 0),
    ],
)
def test_every_completion_passes(grid: list[list[int | None]], number: int) -> None:
    question = {"grid": grid}
    found = solutions(question, 8)
    assert len(found) == number
    assert all(TASK.judge(question, str(square)) for square in found)
    assert not any(TASK.judge(question, str([row[::-1] for row in square])) for square in found)


def test_what_is_no_answer() -> None:
    question = {"grid": [[None] * 3 for _ in range(3)]}
    assert not TASK.judge(
        question, "[[None, None, None], [None, None, None], [None, None, None]]"
    )  # upstream passes it
    assert not TASK.judge(question, "5 5 5\n5 5 5\n5 5 5")
    assert not TASK.judge(question, "2 7 6 0\n9 5 1 0\n4 3 8 0\n0 0 0 0")
    assert not TASK.judge(question, "2.0 7 6\n9 5 1\n4 3 8")
    assert not TASK.judge(question, "1/2 7 6\n9 5 1\n4 3 8")
    assert TASK.judge(question, "2 7 6\n9 5 1\n4 3 8")
    assert TASK.judge(question, "-2 -7 -6\n-9 -5 -1\n-4 -3 -8")
    assert TASK.judge(question, "[2, 7, 6], [9, 5, 1], [4, 3, 8]")


def test_negative_numbers_are_asked_for() -> None:
    assert any("-" in problem.answer for problem in draws(TASK, 5))
    assert all("may be negative" in str(problem.prompt) for problem in draws(TASK, 1))


def test_masks() -> None:
    masks = {d: {TASK.meta(p.question)["masks"] for p in draws(TASK, 20) if p.difficulty == d} for d in DIFFICULTIES}
    assert masks == {"easy": {2, 3}, "medium": {4, 5}, "hard": {6, 7}}


def test_records() -> None:
    for problem in draws(TASK, 5):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        assert TASK.judge(problem.question, str(record["answer"]))
        text = "\n".join(
            " ".join("." if cell is None else str(cell) for cell in row) for row in problem.question["grid"]
        )
        assert TASK.question_of({"meta": {"question": text}}) == problem.question
    for broken in (None, 3, "", "1 2 3", [[1, 2, 3]] * 2, [[1.5, 2, 3]] * 3, [["x", 2, 3]] * 3, [[[1], 2, 3]] * 3):
        assert TASK.question_of({"meta": {"question": broken}}) is None
