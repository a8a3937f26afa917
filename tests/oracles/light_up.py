"""Light Up: for every cell all bulbs that shine on it."""

from __future__ import annotations

from itertools import product

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, cells


def right(question: Question, answer: str) -> bool:
    found = cells(answer)
    return found is not None and follows_the_rules(question["grid"], set(found))


def follows_the_rules(grid: list[str], bulbs: set[Cell]) -> bool:
    if not all(r < len(grid) and c < len(grid[0]) and grid[r][c] == "." for r, c in bulbs):
        return False
    for r, c in product(range(len(grid)), range(len(grid[0]))):
        lit = sum(shines(grid, bulb, (r, c)) for bulb in bulbs)
        beside = len(bulbs & {(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)})
        if grid[r][c] == "." and (not lit or ((r, c) in bulbs and lit > 1)):
            return False
        if grid[r][c] in "01234" and beside != int(grid[r][c]):
            return False
    return True


def shines(grid: list[str], bulb: Cell, cell: Cell) -> bool:
    """Whether nothing black lies on the straight way between the two."""
    (r, c), (y, x) = sorted((bulb, cell))
    way = grid[r][min(c, x) : max(c, x) + 1] if r == y else "".join(row[c] for row in grid[r : y + 1])
    return (r == y or c == x) and set(way) == {"."}
