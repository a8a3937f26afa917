"""What the puzzles on a square share: filling it with numbers once to a line, and reading one that was written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from datamodules.puzzles.enigmata.answers import integer, rows, symbol_grid

BEGIN, END = "<begin_board>", "<end_board>"

_UNKNOWN = object()
_RULE = re.compile(r"[-+|=_\s]+")


def fillings(grid: list[list[int]], box_height: int, random: Random | None = None) -> Iterator[list[list[int]]]:
    """All ways to put 1 to n into the zeros of an n x n grid, every number once to a row, column and box.

    Boxes are `box_height` rows high and n cells large; with a height of 1 they are the rows, and the grid a Latin
    square. The cell with the fewest choices goes first. Values come in random order where a stream is given.
    """
    size, width = len(grid), len(grid) // box_height
    filled = [list(row) for row in grid]
    across, down, boxed = [0] * size, [0] * size, [0] * size  # a bit for each number taken
    free: list[tuple[int, int, int]] = []
    for row, column in ((row, column) for row in range(size) for column in range(size)):
        box, bit = row // box_height * box_height + column // width, 1 << grid[row][column]
        if bit == 1:
            free.append((row, column, box))
        elif bit & (across[row] | down[column] | boxed[box]):
            return
        else:
            across[row], down[column], boxed[box] = across[row] | bit, down[column] | bit, boxed[box] | bit

    def fill(free: list[tuple[int, int, int]]) -> Iterator[list[list[int]]]:
        if not free:
            yield [list(row) for row in filled]
            return
        cell = max(free, key=lambda at: (across[at[0]] | down[at[1]] | boxed[at[2]]).bit_count())
        row, column, box = cell
        rest = [other for other in free if other is not cell]
        taken = across[row] | down[column] | boxed[box]
        values = [value for value in range(1, size + 1) if not taken >> value & 1]
        for value in random.sample(values, len(values)) if random else values:
            bit = 1 << value
            across[row], down[column], boxed[box] = across[row] ^ bit, down[column] ^ bit, boxed[box] ^ bit
            filled[row][column] = value
            yield from fill(rest)
            across[row], down[column], boxed[box] = across[row] ^ bit, down[column] ^ bit, boxed[box] ^ bit

    yield from fill(free)


def once_each(grid: list[list[int]], box_height: int) -> bool:
    """Whether every row, column and box holds each number from 1 on once."""
    size, width = len(grid), len(grid) // box_height
    corners = [(row, column) for row in range(0, size, box_height) for column in range(0, size, width)]
    boxes = [[v for line in grid[r : r + box_height] for v in line[c : c + width]] for r, c in corners]
    numbers = list(range(1, size + 1))
    return all(sorted(line) == numbers for line in (*grid, *zip(*grid, strict=True), *boxes))


def digit_grid(text: str, size: int) -> list[list[int]] | None:
    """A square of digits from 1 on, with or without space, commas, brackets and ruled lines between them."""
    lines = [line for line in rows(text.replace("],", "]\n")) if not _RULE.fullmatch(line)]
    parsed = symbol_grid("\n".join(lines), size, size, "123456789"[:size])
    return None if parsed is None else [[int(digit) for digit in row] for row in parsed]


def board(text: str, height: int, width: int) -> list[str] | None:
    """A board of `.`, `X` and `*`, between upstream's tags or without them; None unless it has these sides."""
    inside = text.rpartition(BEGIN)[2].partition(END)[0]
    return symbol_grid(inside.replace("x", "X"), height, width, ".X*")


def recorded(value: Any) -> list[list[int | None]] | None:
    """The square of whole numbers in a record, as lists or as text; None for a cell that is empty."""
    lines = [line.split() for line in rows(value)] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, list) and len(line) == len(lines) for line in lines):
        return None
    cells = [[_cell(word) for word in line] for line in lines]
    return None if any(cell is _UNKNOWN for line in cells for cell in line) else cells


def _cell(word: Any) -> Any:
    """A number; None for None or a dot; _UNKNOWN for what is neither."""
    if word in (None, "."):
        return None
    number = word if type(word) is int else integer(word) if isinstance(word, str) else None
    return _UNKNOWN if number is None else number


def text_of(grid: list[list[Any]]) -> str:
    """A row to a line, cells between spaces, a dot for an empty one (None or 0)."""
    return "\n".join(" ".join(str(cell) if cell not in (None, 0) else "." for cell in row) for row in grid)


def spaced(lines: Sequence[str]) -> str:
    """A row to a line, with spaces between the cells."""
    return "\n".join(" ".join(line) for line in lines)
