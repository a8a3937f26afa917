"""Minesweeper: a SAT solver asked about every cell by itself."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product

from pysat.solvers import Minisat22

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, cells

HIDDEN = -2


def right(question: Question, answer: str) -> bool:
    found = cells(answer)
    return found is not None and set(found) == certain(tuple(map(tuple, question["grid"])))


@cache
def certain(grid: tuple[tuple[int, ...], ...]) -> set[Cell]:
    """The cells without which no way to lay mines is left; each number is the list of all choices that it forbids."""
    places = list(product(range(len(grid)), range(len(grid[0]))))
    variable = {cell: i for i, cell in enumerate((cell for cell in places if grid[cell[0]][cell[1]] == HIDDEN), 1)}
    with Minisat22() as solver:
        for r, c in places:
            near = [variable[y, x] for y, x in variable if max(abs(y - r), abs(x - c)) == 1]
            for size in range(len(near) + 1) if grid[r][c] != HIDDEN else ():
                for mines in combinations(near, size) if size != grid[r][c] else ():
                    solver.add_clause([-cell if cell in mines else cell for cell in near])
        return {cell for cell, i in variable.items() if not solver.solve(assumptions=[-i])}
