"""Binario: fill a square of even size with 0 and 1, never three equal neighbors, half of each in every line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import integer_grid, rows
from datamodules.enigmata.tasks.task import Levels, Question, Task

EMPTY = -1
CELLS: dict[Any, int] = {None: EMPTY, "_": EMPTY, "0": 0, "1": 1, 0: 0, 1: 1}
"""Upstream's values of a cell."""


class Binario(Task):
    """A question is `{"grid": rows}` with 0, 1 and -1 for a cell to be filled."""

    name = "binario"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 4, "share": 0.2}, {"size": 6, "share": 0.1}),
        "medium": ({"size": 4, "share": 0.3}, {"size": 6, "share": 0.2}),
        "hard": ({"size": 6, "share": 0.3}, {"size": 8, "share": 0.2}),
    }

    def draw(self, random: Random, size: int, share: float) -> tuple[Question, str]:
        """Generate a full square and empty this share of its cells, or as many as leave one solution."""
        solution = next(fillings([[EMPTY] * size for _ in range(size)], random))
        grid = [list(row) for row in solution]
        cells = list(product(range(size), repeat=2))
        for row, column in random.sample(cells, round(share * len(cells))):
            grid[row][column] = EMPTY
            if len(list(islice(fillings(grid), 2))) > 1:
                grid[row][column] = solution[row][column]
        return {"grid": grid}, "\n".join(" ".join(map(str, row)) for row in solution)

    def ask(self, question: Question) -> str:
        size = len(question["grid"])
        grid = "\n".join(" ".join("_" if cell == EMPTY else str(cell) for cell in row) for row in question["grid"])
        return (
            f"Binario. Fill every `_` of this {size} x {size} grid with 0 or 1 so that no three neighboring cells in a "
            f"row or column are equal, and every row and column holds {size // 2} zeros and {size // 2} ones.\n\n"
            f"{grid}\n\nGive the filled grid in a fenced code block, a row to a line, numbers separated by spaces."
        )

    def judge(self, question: Question, answer: str) -> bool:
        grid = question["grid"]
        filled = integer_grid(answer, len(grid), len(grid))
        if filled is None or not all(matches(row, clues) for row, clues in zip(filled, grid, strict=True)):
            return False
        return all(map(balanced, filled)) and all(map(balanced, map(list, zip(*filled, strict=True))))

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": [[None if cell == EMPTY else cell for cell in row] for row in question["grid"]]}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """Upstream's grid is nested lists with null, or lines with `_`."""
        given = record["meta"].get("question") if isinstance(record.get("meta"), Mapping) else None
        lines = [line.split() for line in rows(given)] if isinstance(given, str) else given
        if not isinstance(lines, list) or not lines or len(lines) % 2:
            return None
        if not all(isinstance(line, list) and len(line) == len(lines) for line in lines):
            return None
        if not all(cell in CELLS and not isinstance(cell, bool) for line in lines for cell in map(plain, line)):
            return None
        return {"grid": [[CELLS[plain(cell)] for cell in line] for line in lines]}


def plain(cell: Any) -> Any:
    """A cell in a hashable form."""
    return cell if cell is None or isinstance(cell, (int, str)) else "?"


def balanced(line: Sequence[int]) -> bool:
    """Whether a full row or column has as many 0 as 1, and never three equal neighbors."""
    return sorted(line) == [0] * (len(line) // 2) + [1] * (len(line) // 2) and not three_alike(line)


def three_alike(line: Sequence[int]) -> bool:
    """Whether three neighbors are equal."""
    return any(a == b == c for a, b, c in zip(line, line[1:], line[2:], strict=False))


def matches(line: Sequence[int], clues: Sequence[int]) -> bool:
    """Whether a line agrees with the given cells."""
    return all(clue in (EMPTY, cell) for cell, clue in zip(line, clues, strict=True))


def fillings(grid: list[list[int]], random: Random | None = None) -> Iterator[list[list[int]]]:
    """All ways to fill the grid, row by row, checking columns; in random order if `random` is given."""
    size = len(grid)
    lines = [line for line in product((0, 1), repeat=size) if balanced(line)]

    def fill(above: list[tuple[int, ...]]) -> Iterator[list[list[int]]]:
        if len(above) == size:
            yield [list(row) for row in above]
            return
        for line in random.sample(lines, len(lines)) if random else lines:
            if matches(line, grid[len(above)]):
                below = [*above, line]
                columns = list(zip(*below, strict=True))
                if all(max(c.count(0), c.count(1)) <= size // 2 and not three_alike(c[-3:]) for c in columns):
                    yield from fill(below)

    return fill([])


TASK = Binario()
