"""Code shared by puzzles on a square: filling it with each number once per line, and parsing squares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, TypeAlias

from datamodules.enigmata.tasks.answers import bare, integer, rows, symbol_grid, unnested

BEGIN, END = "<begin_board>", "<end_board>"

Place: TypeAlias = tuple[int, int, int]
"""Row, column and box of a cell."""

_UNKNOWN = object()
_RULE = re.compile(r"[-+|=_\s]+")


def fillings(grid: list[list[int]], box_height: int, random: Random | None = None) -> Iterator[list[list[int]]]:
    """All ways to put 1 to n into the zeros of an n x n grid, every number once per row, column and box.

    Boxes are `box_height` rows high and have n cells; with a height of 1 they are the rows, and the grid is a Latin
    square. Values come in random order if `random` is given.
    """
    size, width = len(grid), len(grid) // box_height
    filled = [list(row) for row in grid]
    taken = _Taken(size)
    free: list[Place] = []
    for row, column in ((row, column) for row in range(size) for column in range(size)):
        place = (row, column, row // box_height * box_height + column // width)
        if not grid[row][column]:
            free.append(place)
        elif taken.left(place) >> grid[row][column] & 1:
            taken.toggle(place, 1 << grid[row][column])
        else:
            return

    def fill(free: list[Place]) -> Iterator[list[list[int]]]:
        if not free:
            yield [list(row) for row in filled]
            return
        place, choices = taken.narrowest(free)
        rest = [other for other in free if other is not place]
        values = [value for value in range(1, size + 1) if choices >> value & 1]
        for value in random.sample(values, len(values)) if random else values:
            taken.toggle(place, 1 << value)
            filled[place[0]][place[1]] = value
            yield from fill(rest)
            taken.toggle(place, 1 << value)

    yield from fill(free)


class _Taken:
    """The numbers used in each row, column and box, as bits from 1 on."""

    def __init__(self, size: int) -> None:
        self.every = (1 << size + 1) - 2
        self.units = across, down, boxed = [0] * size, [0] * size, [0] * size
        self.across, self.down, self.boxed = across, down, boxed

    def toggle(self, place: Place, bit: int) -> None:
        """Mark the number as used at this place, or unmark it."""
        row, column, box = place
        self.across[row] ^= bit
        self.down[column] ^= bit
        self.boxed[box] ^= bit

    def left(self, place: Place) -> int:
        """The numbers allowed at this place by its row, column and box."""
        return self.every & ~(self.across[place[0]] | self.down[place[1]] | self.boxed[place[2]])

    def narrowest(self, free: list[Place]) -> tuple[Place, int]:
        """The next place and the numbers to try there; none if some number or place has no choice left.

        It is a place with a single choice, or the only one in its row, column or box for some number, or the one with
        the fewest choices. Without the check of numbers, one search in a thousand takes minutes.
        """
        masks = [self.left(place) for place in free]
        counts = [mask.bit_count() for mask in masks]
        fewest = counts.index(min(counts))
        if counts[fewest] < 2:
            return free[fewest], masks[fewest]
        for kind, units in enumerate(self.units):
            once, again = list(units), [0] * len(units)
            for place, mask in zip(free, masks, strict=True):
                unit = place[kind]
                again[unit] |= once[unit] & mask
                once[unit] |= mask
            if any(numbers != self.every for numbers in once):
                return free[fewest], 0
            for place, mask in zip(free, masks, strict=True):
                alone = mask & ~again[place[kind]]
                if alone:
                    return place, alone if alone.bit_count() == 1 else 0
        return free[fewest], masks[fewest]


def is_sudoku(grid: list[list[int]], box_height: int) -> bool:
    """Whether every row, column and box has each number from 1 on once."""
    size, width = len(grid), len(grid) // box_height
    corners = [(row, column) for row in range(0, size, box_height) for column in range(0, size, width)]
    boxes = [[v for line in grid[r : r + box_height] for v in line[c : c + width]] for r, c in corners]
    numbers = list(range(1, size + 1))
    return all(sorted(line) == numbers for line in (*grid, *zip(*grid, strict=True), *boxes))


def digit_grid(text: str, size: int) -> list[list[int]] | None:
    """A square of digits from 1 on, optionally with spaces, commas, brackets and lines between them."""
    lines = [line for line in rows(unnested(bare(text))) if not _RULE.fullmatch(line)]
    parsed = symbol_grid("\n".join(lines), size, size, "123456789"[:size])
    return None if parsed is None else [[int(digit) for digit in row] for row in parsed]


def board(text: str, height: int, width: int) -> list[str] | None:
    """A board of `.`, `X` and `*`, with or without upstream's tags; None unless it has this size."""
    inside = text.rpartition(BEGIN)[2].partition(END)[0]
    return symbol_grid(inside.replace("x", "X"), height, width, ".X*")


def recorded(value: Any) -> list[list[int | None]] | None:
    """The square of integers in a record, as lists or as text; None for an empty cell."""
    lines = [line.split() for line in rows(value)] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, list) and len(line) == len(lines) for line in lines):
        return None
    cells = [[_cell(word) for word in line] for line in lines]
    return None if any(cell is _UNKNOWN for line in cells for cell in line) else cells


def _cell(word: Any) -> Any:
    """A number; None for None or a dot; _UNKNOWN for anything else."""
    if word in (None, "."):
        return None
    number = word if type(word) is int else integer(word) if isinstance(word, str) else None
    return _UNKNOWN if number is None else number


def text_of(grid: list[list[Any]]) -> str:
    """One row per line, cells separated by spaces, a dot for an empty one (None or 0)."""
    return "\n".join(" ".join(str(cell) if cell not in (None, 0) else "." for cell in row) for row in grid)


def spaced(lines: Sequence[str]) -> str:
    """One row per line, with spaces between the cells."""
    return "\n".join(" ".join(line) for line in lines)
