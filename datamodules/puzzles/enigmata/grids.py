"""What the puzzles on a square share: filling it with numbers once to a line, and reading one that was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from datamodules.puzzles.enigmata.answers import integer, rows, symbol_grid

BEGIN, END = "<begin_board>", "<end_board>"

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
        elif bit & (across[row] | down[column] | (boxed[box] if box_height > 1 else 0)):
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
