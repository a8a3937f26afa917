"""Minesweeper against all ways to lay mines on small boards."""

from __future__ import annotations

from itertools import product
from random import Random

from datamodules.enigmata.tasks.minesweeper import HIDDEN, TASK, certain_mines
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.minesweeper import certain as certain_by_cells
from tests.oracles.reading import cells


def layouts(grid: list[list[int]]) -> list[set[tuple[int, int]]]:
    """All ways to lay mines that agree with the numbers."""
    places = list(product(range(len(grid)), range(len(grid[0]))))
    hidden = [(r, c) for r, c in places if grid[r][c] == HIDDEN]
    near = {
        (r, c): {(y, x) for y, x in hidden if max(abs(y - r), abs(x - c)) == 1}
        for r, c in places
        if grid[r][c] != HIDDEN
    }
    found = []
    for bits in product((0, 1), repeat=len(hidden)):
        mines = {cell for cell, bit in zip(hidden, bits, strict=True) if bit}
        if all(len(beside & mines) == grid[r][c] for (r, c), beside in near.items()):
            found.append(mines)
    return found


def test_no_such_number() -> None:
    assert TASK.question_of({"meta": {"question": [[-1, 0]]}, "answer": None}) is None


def test_certain_mines_against_all_layouts() -> None:
    random = Random(0)
    seen = set[str]()
    for _ in range(60):
        grid = [[random.choice((HIDDEN, HIDDEN, HIDDEN, 1, 2, 3)) for _ in range(4)] for _ in range(3)]
        ways = layouts(grid)
        certain = set.intersection(*ways) if ways else set()
        assert certain_mines(grid) == certain
        assert not ways or certain_by_cells(tuple(map(tuple, grid))) == certain
        sentence = '"Unable to determine any mine locations."'
        assert TASK.judge({"grid": grid}, sentence) == (not certain)
        assert TASK.judge({"grid": grid}, str(sorted(certain)))
        seen.add("none" if not ways else "some" if certain else "unsure")
    assert seen == {"none", "some", "unsure"}


def test_two_numbers_together_tell_more_than_each() -> None:
    """The 1-2 pattern: neither number has as many hidden neighbors as mines."""
    grid = [[HIDDEN, HIDDEN, HIDDEN], [1, 2, 1], [0, 0, 0]]
    assert certain_mines(grid) == {(0, 0), (0, 2)}
    grid = [[HIDDEN] * 4, [0, 1, 2, HIDDEN], [0, 0, 1, HIDDEN]]
    assert certain_mines(grid) == set.intersection(*layouts(grid))


def test_numbers_are_those_of_some_layout_in_which_the_answer_is_mined() -> None:
    for problem in draws(TASK, 4):
        grid, mines = problem.question["grid"], cells(problem.answer) or []
        assert all(grid[r][c] == HIDDEN for r, c in mines)
        for r, c in product(range(len(grid)), repeat=2):
            near = [(y, x) for y in (r - 1, r, r + 1) for x in (c - 1, c, c + 1)]
            assert grid[r][c] == HIDDEN or sum(cell in mines for cell in near) <= grid[r][c]


def test_harder_is_larger_and_shows_less() -> None:
    shown = {"easy": (9, 0.2, 0.36), "medium": (12, 0.1, 0.26), "hard": (16, 0.08, 0.21)}
    for problem in draws(TASK, 4):
        grid, (size, low, high) = problem.question["grid"], shown[problem.difficulty]
        assert len(grid) == len(grid[0]) == size
        assert low < sum(cell != HIDDEN for row in grid for cell in row) / size**2 < high
