"""Skyscrapers against all Latin squares, looked at building by building."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import permutations, product

import pytest

from datamodules.enigmata.tasks.grids import fillings
from datamodules.enigmata.tasks.skyscraper import SIDES, TASK
from datamodules.enigmata.tasks.task import DIFFICULTIES
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.skyscraper import Square, views


@cache
def squares(size: int) -> list[Square]:
    """All Latin squares."""
    lines = list(permutations(range(1, size + 1)))
    found = (
        chosen for chosen in product(lines, repeat=size) if all(len(set(c)) == size for c in zip(*chosen, strict=True))
    )
    return [[list(line) for line in chosen] for chosen in found]


def test_all_latin_squares() -> None:
    assert [len(squares(size)) for size in (2, 3, 4)] == [2, 12, 576]
    for size in (2, 3, 4):
        assert sorted(fillings([[0] * size for _ in range(size)], 1)) == sorted(squares(size))


def test_all_easy_puzzles() -> None:
    asked = [Counter(str(TASK.clues(square)) for square in squares(size)) for size in (3, 4)]
    assert [len(questions) for questions in asked] == [12, 438]
    assert [max(questions.values()) for questions in asked] == [1, 6]  # squares to a puzzle


def test_exactly_the_squares_that_look_like_it_pass() -> None:
    for problem in [p for p in draws(TASK, 12) if p.difficulty == "easy"]:
        size = len(problem.question["top"])
        for square in squares(size):
            same = all([len(s) for s in views(square)[side]] == problem.question[side] for side in SIDES)
            assert TASK.judge(problem.question, str(square)) == same


def test_no_latin_square_no_pass() -> None:
    question = {"top": [3, 1, 2], "left": [2, 2, 1], "right": [2, 1, 3], "bottom": [1, 2, 2]}
    assert TASK.clues([[1, 3, 1], [2, 1, 3], [3, 2, 1]]) == question  # what upstream's verifier looks at
    assert not TASK.judge(question, "1 3 1\n2 1 3\n3 2 1")
    assert TASK.judge(question, "1 3 2\n2 1 3\n3 2 1")


def test_sizes() -> None:
    sizes = {d: {len(p.question["top"]) for p in draws(TASK, 20) if p.difficulty == d} for d in DIFFICULTIES}
    assert sizes == {"easy": {3, 4}, "medium": {5, 6}, "hard": {7, 8}}


@pytest.mark.parametrize("wrong", ["1 2 3", "123\n123\n123\n123", "1 2\n2 1", "[[[1]]]", "\u0661\u0662\u0663", "+-|="])
def test_no_square(wrong: str) -> None:
    (problem, *_) = draws(TASK, 1)
    assert not TASK.judge(problem.question, wrong)


def test_records() -> None:
    for problem in draws(TASK, 3):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        assert TASK.judge(problem.question, str(record["answer"]))
    for broken in (None, {}, {side: [] for side in SIDES}, dict.fromkeys(SIDES, 3), {side: ["1"] for side in SIDES}):
        assert TASK.question_of({"meta": {"question": broken}}) is None
    assert TASK.question_of({"meta": {"question": {side: [1] * len(side) for side in SIDES}}}) is None
    assert TASK.question_of({}) is None
