"""Minesweeper: find the hidden cells of a board that are certainly mines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from random import Random
from typing import Any, ClassVar, TypeAlias

from pysat.solvers import Minisat22

from datamodules.enigmata.tasks.cells import CellTask, all_cells, number_grid, written
from datamodules.enigmata.tasks.task import Levels, Question

HIDDEN = -2
LONGEST = 20
"""The most rows of a record's grid; upstream's have at most 16."""

Cell: TypeAlias = tuple[int, int]


class Minesweeper(CellTask):
    """A question is `{"grid": rows}` with the visible numbers, and -2 for a hidden cell.

    The right answer has exactly the mines that follow from the numbers: those in every arrangement of mines.
    """

    name = "minesweeper"
    no_solution = "unable to determine"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 9, "mines": 0.1, "seen": 0.3},),
        "medium": ({"size": 12, "mines": 0.15, "seen": 0.2},),
        "hard": ({"size": 16, "mines": 0.2, "seen": 0.15},),
    }

    def draw(self, random: Random, size: int, mines: float, seen: float) -> tuple[Question, str]:
        """Draw mines, and cells to reveal if they have no mine; repeat until a mine is certain."""
        cells = all_cells(size, size)
        while True:
            laid = set(random.sample(cells, int(mines * len(cells))))
            share = seen + 0.05 * random.random()
            grid = [[HIDDEN] * size for _ in range(size)]
            for row, column in random.sample(cells, int(share * len(cells))):
                if (row, column) not in laid:
                    grid[row][column] = len(laid.intersection(around(row, column, size, size)))
            certain = certain_mines(grid)
            if certain:
                return {"grid": grid}, written(certain)

    def ask(self, question: Question) -> str:
        grid = question["grid"]
        shown = "\n".join(" ".join("?" if cell == HIDDEN else str(cell) for cell in row) for row in grid)
        return (
            f"Minesweeper. On this board of {len(grid)} rows and {len(grid[0])} columns, `?` is a hidden cell, which "
            "may hold a mine; a number is an open cell without a mine, and says how many of its up to eight neighbors "
            "(sides and corners) hold one. How many mines there are in all is not known.\n\n"
            f"{shown}\n\n"
            "Find every hidden cell that must hold a mine, whatever the other hidden cells hold, and leave out the "
            "cells that need not. Give them in a fenced code block as a list of (row, column) pairs. Rows are counted "
            "from the top and columns from the left, both from 0, as in [(0, 2), (3, 1)]."
        )

    def solved_by(self, question: Question, cells: frozenset[Cell]) -> bool:
        return cells == certain_mines_of(tuple(map(tuple, question["grid"])))

    def solvable(self, question: Question) -> bool:
        return bool(certain_mines(question["grid"]))

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["grid"]}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        grid = number_grid(record["meta"].get("question"), HIDDEN, 8, LONGEST)
        return {"grid": grid} if grid and not any(-1 in row for row in grid) else None


def around(row: int, column: int, height: int, width: int) -> Iterable[Cell]:
    """The up to eight neighbors of a cell."""
    for r in range(max(0, row - 1), min(height, row + 2)):
        for c in range(max(0, column - 1), min(width, column + 2)):
            if (r, c) != (row, column):
                yield r, c


@lru_cache(maxsize=1024)
def certain_mines_of(grid: tuple[tuple[int, ...], ...]) -> frozenset[Cell]:
    """`certain_mines`, cached, since it is the same for all answers."""
    return certain_mines(grid)


def certain_mines(grid: Sequence[Sequence[int]]) -> frozenset[Cell]:
    """The hidden cells that are mines in every arrangement that agrees with the numbers; none if there is none.

    Variables of the formula are cells, counted from 1. Cells without a mine in some model are no longer
    candidates; a candidate with a mine in all models is certain.
    """
    height, width = len(grid), len(grid[0])
    with Minisat22() as solver:
        for row, column in all_cells(height, width):
            if grid[row][column] != HIDDEN:
                hidden = [r * width + c + 1 for r, c in around(row, column, height, width) if grid[r][c] == HIDDEN]
                add_count(solver, hidden, grid[row][column])
        candidates = mines(solver) if solver.solve() else set()
        certain: set[int] = set()
        while candidates:
            cell = candidates.pop()
            if solver.solve(assumptions=[-cell]):
                candidates &= mines(solver)
            else:
                certain.add(cell)
    return frozenset(divmod(cell - 1, width) for cell in certain)


def mines(solver: Minisat22) -> set[int]:
    """The variables that are true in the last model."""
    return {variable for variable in solver.get_model() or () if variable > 0}


def add_count(solver: Minisat22, variables: list[int], number: int) -> None:
    """Add clauses for exactly n = `number` true of m variables: any n + 1 have a false, any m - n + 1 a true one."""
    for more in combinations(variables, number + 1):
        solver.add_clause([-variable for variable in more])
    if number > len(variables):
        solver.add_clause([])
    for enough in combinations(variables, len(variables) - number + 1) if 0 < number <= len(variables) else ():
        solver.add_clause(list(enough))


TASK = Minesweeper()
