"""Number grids: find the operation that maps each example's grid to its output, and apply it to one more."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import integer_grid, integers, rows
from datamodules.enigmata.tasks.induction import Induction, Operation, Pair, Value
from datamodules.enigmata.tasks.task import Levels, Question

COLORS = 5
"""Numbers of inputs are below this; 0 is the background."""

LARGEST = 900
"""The most cells of a record's output."""


def turned(grid: Value) -> Value:
    """The grid after a quarter turn clockwise."""
    return tuple(zip(*grid[::-1], strict=True))


def transposed(grid: Value) -> Value:
    """Rows and columns exchanged."""
    return tuple(zip(*grid, strict=True))


def mirrored(grid: Value) -> Value:
    """Left and right exchanged."""
    return tuple(row[::-1] for row in grid)


def fallen_right(grid: Value) -> Value:
    """All numbers except 0 moved to the right ends of their rows, in order."""
    return tuple(tuple(sorted(row, key=bool)) for row in grid)


def cropped(grid: Value) -> Value:
    """The grid without rows and columns at the edges that have only 0; a grid of only 0 is unchanged."""
    filled = [row for row, cells in enumerate(grid) if any(cells)]
    columns = [column for column, cells in enumerate(zip(*grid, strict=True)) if any(cells)]
    return tuple(row[columns[0] : columns[-1] + 1] for row in grid[filled[0] : filled[-1] + 1]) if filled else grid


def hollow(row: Value) -> Value:
    """The row with 0 everywhere except at its ends."""
    return (row[0], *(0,) * (len(row) - 2), row[-1]) if len(row) > 2 else row


def recolored(table: Sequence[int]) -> Operation:
    """The operation that replaces every number by its entry in the table."""
    return lambda grid: tuple(tuple(table[cell] for cell in row) for row in grid)


OPERATIONS: dict[str, Operation] = {
    "mirror": mirrored,
    "upside down": lambda grid: grid[::-1],
    "quarter turn clockwise": turned,
    "transpose": transposed,
    "shift right": lambda grid: tuple(row[-1:] + row[:-1] for row in grid),
    "shift down": lambda grid: grid[-1:] + grid[:-1],
    "fall right": fallen_right,
    "fall down": lambda grid: transposed(fallen_right(transposed(grid))),
    "crop": cropped,
    "left half": lambda grid: tuple(row[: (len(row) + 1) // 2] for row in grid),
    "top half": lambda grid: grid[: (len(grid) + 1) // 2],
    "repeat to the right": lambda grid: tuple(row * 2 for row in grid),
    "mirror image below": lambda grid: grid + grid[::-1],
    "only the edge": lambda grid: (grid[0], *map(hollow, grid[1:-1]), grid[-1]) if len(grid) > 1 else grid,
    "1 becomes 2": recolored((0, 2, 2, 3, 4)),
    "3 becomes 0": recolored((0, 1, 2, 0, 4)),
    "exchange 2 and 4": recolored((0, 1, 4, 3, 2)),
    "0 becomes 1": recolored((1, 1, 2, 3, 4)),
}


class SymbolicHard(Induction):
    """The text has grids, inputs and outputs, with one row per line."""

    name = "symbolic_hard"
    operations: ClassVar[Sequence[Operation]] = tuple(OPERATIONS.values())
    levels: ClassVar[Levels] = {
        "easy": ({"steps": 1, "examples": 3},),
        "medium": ({"steps": 2, "examples": 3},),
        "hard": ({"steps": 3, "examples": 4},),
    }

    def value(self, random: Random) -> Value:
        height, width = random.randint(3, 4), random.randint(3, 4)
        return tuple(tuple(random.choice((0, 0, 0, *range(COLORS))) for _ in range(width)) for _ in range(height))

    def text(self, pairs: Sequence[Pair]) -> str:
        *examples, (given, _) = pairs
        shown = [f"Input:\n{self.written(x)}\nOutput:\n{self.written(y)}" for x, y in examples]
        return "\n\n".join([*shown, f"Input:\n{self.written(given)}\nOutput:"])

    def written(self, output: Value) -> str:
        return "\n".join(" ".join(map(str, row)) for row in output)

    def ask(self, question: Question) -> str:
        return (
            "Here are grids of numbers. One and the same rule made every output from the input above it, perhaps in "
            "several steps; 0 is the background. Work out the rule and apply it to the last input.\n\n"
            f"{question['text']}\n\nGive the missing output in a fenced code block, a row to a line, numbers "
            "separated by spaces."
        )

    def judge(self, question: Question, answer: str) -> bool:
        output = question["output"]
        return integer_grid(answer, len(output), len(output[0])) == output

    def parse(self, data: Any) -> Value | None:
        grid = [integers(line) for line in rows(data)] if isinstance(data, str) else data
        if not isinstance(grid, list) or not grid or not all(isinstance(row, list) and row for row in grid):
            return None
        cells = [cell for row in grid for cell in row or ()]
        is_regular = len({len(row or ()) for row in grid}) == 1 and len(cells) <= LARGEST
        return (
            tuple(tuple(row or ()) for row in grid) if is_regular and all(isinstance(x, int) for x in cells) else None
        )


TASK = SymbolicHard()
