"""Hitori: blacken cells of a square of numbers until no white number occurs twice in a row or column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, islice, pairwise
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.cells import CellTask, all_cells, number_grid, written
from datamodules.enigmata.tasks.task import Levels, Question

LONGEST = 8
"""The most rows of a record's grid; upstream's have 4 or 5."""


class Hitori(CellTask):
    """A question is `{"grid": rows}`. Upstream has no easy puzzles: here they are small, or have few black cells."""

    name = "hitori"
    no_solution = "no valid solution"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 3, "most": 4}, {"size": 4, "most": 4}),
        "medium": ({"size": 4, "most": 16},),
        "hard": ({"size": 5, "most": 25},),
    }

    def draw(self, random: Random, size: int, most: int) -> tuple[Question, str]:
        """Blacken at most `most` cells and number all; repeat until there is exactly one solution."""
        while True:
            black = blackened(random, size, most)
            grid = numbered(random, size, black)
            if grid and len(list(islice(solutions(grid), 2))) == 1:
                return {"grid": grid}, written(black)

    def ask(self, question: Question) -> str:
        size = len(question["grid"])
        grid = "\n".join(" ".join(map(str, row)) for row in question["grid"])
        return (
            f"Hitori. Choose cells of this {size} x {size} grid to black out, so that:\n"
            "- no number occurs twice among the cells left white in any row or column;\n"
            "- no two black cells share a side;\n"
            "- the white cells hang together: from each you can walk to every other over white cells that share "
            f"sides.\n\n{grid}\n\n"
            "Give all black cells in a fenced code block as a list of (row, column) pairs. Rows are counted from the "
            "top and columns from the left, both from 0, as in [(0, 2), (3, 1)]."
        )

    def solved_by(self, question: Question, cells: frozenset[tuple[int, int]]) -> bool:
        grid = question["grid"]
        size = len(grid)
        if any(row >= size or column >= size for row, column in cells):
            return False
        if any((row + 1, column) in cells or (row, column + 1) in cells for row, column in cells):
            return False
        lines = [[(row, column) for column in range(size)] for row in range(size)]
        for line in [*lines, *zip(*lines, strict=True)]:
            seen = [grid[row][column] for row, column in line if (row, column) not in cells]
            if len(set(seen)) < len(seen):
                return False
        return are_connected({cell for line in lines for cell in line if cell not in cells})

    def solvable(self, question: Question) -> bool:
        return any(True for _ in solutions(question["grid"]))

    def canonical(self, question: Question) -> list[list[int]]:
        """The numbers renamed by first appearance, since only their equality matters."""
        names: dict[int, int] = {}
        return [[names.setdefault(number, len(names)) for number in row] for row in question["grid"]]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["grid"]}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        grid = number_grid(record["meta"].get("question"), 0, 99, LONGEST)
        return {"grid": grid} if grid and len(grid) == len(grid[0]) else None


def are_connected(cells: set[tuple[int, int]]) -> bool:
    """Whether the cells are connected by sides, and not empty.  The set is emptied."""
    edge = [cells.pop()] if cells else []
    start = len(edge)
    while edge:
        row, column = edge.pop()
        for cell in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if cell in cells:
                cells.remove(cell)
                edge.append(cell)
    return bool(start) and not cells


def blackened(random: Random, size: int, most: int) -> list[tuple[int, int]]:
    """Black cells that do not touch and keep the white ones connected, as many as fit in a random order."""
    cells = all_cells(size, size)
    black: list[tuple[int, int]] = []
    for row, column in random.sample(cells, len(cells)):
        apart = not {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)} & set(black)
        if len(black) < most and apart and are_connected(set(cells) - {*black, (row, column)}):
            black.append((row, column))
    return black


def numbered(random: Random, size: int, black: list[tuple[int, int]]) -> list[list[int]] | None:
    """White cells differ in every row and column, black ones repeat one of them; None if that fails."""
    grid = [[0] * size for _ in range(size)]
    for row, column in all_cells(size, size):
        if (row, column) not in black:
            taken = {*grid[row], *(line[column] for line in grid)}
            free = [number for number in range(1, size + 1) if number not in taken]
            if not free:
                return None
            grid[row][column] = random.choice(free)
    white = [list(row) for row in grid]
    for row, column in black:
        seen = [*white[row], *(line[column] for line in white)]
        grid[row][column] = random.choice([number for number in seen if number])
    return grid


def solutions(grid: list[list[int]]) -> Iterator[list[tuple[int, int]]]:
    """All sets of black cells that solve a square, row by row, checking columns."""
    size = len(grid)
    choices = [list(black_columns(row)) for row in grid]

    def extend(blacks: list[tuple[int, ...]]) -> Iterator[list[tuple[int, int]]]:
        height = len(blacks)
        if height == size:
            cells = [(row, column) for row, columns in enumerate(blacks) for column in columns]
            if are_connected(set(all_cells(size, size)) - set(cells)):
                yield cells
            return
        for columns in choices[height]:
            if height and set(columns) & set(blacks[-1]):
                continue
            above = ((column, row) for column in range(size) for row in range(height) if column not in blacks[row])
            if any(grid[row][column] == grid[height][column] and column not in columns for column, row in above):
                continue
            yield from extend([*blacks, columns])

    return extend([])


def black_columns(line: list[int]) -> Iterator[tuple[int, ...]]:
    """The ways to blacken cells of one row, no two of them neighbors, so that the others differ."""
    for number in range((len(line) + 1) // 2 + 1):
        for columns in combinations(range(len(line)), number):
            white = [value for column, value in enumerate(line) if column not in columns]
            if len(set(white)) == len(white) and all(b - a > 1 for a, b in pairwise(columns)):
                yield columns


TASK = Hitori()
