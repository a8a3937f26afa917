"""The small sudoku against the list of all 288 grids."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

from datamodules.enigmata.tasks.grids import fillings
from datamodules.enigmata.tasks.sudoku2 import TASK
from datamodules.enigmata.tasks.task import DIFFICULTIES, Question
from tests.datamodules.enigmata.tasks.contract import draws


@cache
def everything() -> list[str]:
    """All grids as 16 digits."""
    lines = ["".join(line) for line in permutations("1234")]
    halves = [a + b for a, b in product(lines, lines) if len(set(a[:2] + b[:2])) == len(set(a[2:] + b[2:])) == 4]
    return [a + b for a, b in product(halves, halves) if all(len(set((a + b)[c::4])) == 4 for c in range(4))]


def solutions(question: Question) -> list[str]:
    clues = [cell for row in question["grid"] for cell in row]
    return [grid for grid in everything() if all(c in (0, int(g)) for c, g in zip(clues, grid, strict=True))]


def test_all_grids() -> None:
    assert len(everything()) == 288
    found = ["".join(str(cell) for row in grid for cell in row) for grid in fillings([[0] * 4 for _ in range(4)], 2)]
    assert sorted(found) == sorted(everything())


def test_the_only_solution_is_the_reference() -> None:
    for problem in draws(TASK, 20, seed=1):
        assert solutions(problem.question) == ["".join(problem.answer.split())]


def test_clues_that_no_grid_has() -> None:
    assert list(fillings([[1, 2, 3, 0], [0, 0, 4, 0], [0] * 4, [0] * 4], 2)) == []
    assert list(fillings([[1, 1, 0, 0], [0] * 4, [0] * 4, [0] * 4], 2)) == []


def test_every_solution_of_an_open_puzzle_passes() -> None:
    question = {"grid": [[1, 0, 0, 0], [0] * 4, [0] * 4, [0, 0, 0, 2]]}
    passed = [grid for grid in everything() if TASK.judge(question, "\n".join(grid[i : i + 4] for i in (0, 4, 8, 12)))]
    assert passed == solutions(question)
    assert len(passed) > 1


def test_holes_grow_with_the_difficulty() -> None:
    holes = {d: {TASK.meta(p.question)["holes"] for p in draws(TASK, 20) if p.difficulty == d} for d in DIFFICULTIES}
    assert holes == {"easy": {4, 5}, "medium": {6, 7}, "hard": {8, 9}}


def test_records() -> None:
    for problem in draws(TASK, 5):
        record = {"meta": TASK.meta(problem.question), "answer": None}
        assert TASK.question_of(record) == problem.question
    assert TASK.question_of({"meta": {"question": [[0] * 9] * 9}}) is None
