"""Light Up: place bulbs that light every white cell but not each other; black cells give the bulbs beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import count, islice
from math import ceil
from random import Random
from typing import Any, ClassVar, NamedTuple

from datamodules.enigmata.tasks.cells import CellTask, all_cells, written
from datamodules.enigmata.tasks.task import Levels, Question

LONGEST = 8
"""The most rows of a record's grid; upstream's have 6."""

SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))


class Board(NamedTuple):
    """A grid as sets of cells, as bits of integers: row times width plus column.

    Attributes:
        lights: for each white cell the cells that a bulb there lights, itself included; 0 for a black cell.
        numbers: the cells beside each numbered black cell, and its number.
    """

    lights: tuple[int, ...]
    numbers: tuple[tuple[int, int], ...]


class LightUp(CellTask):
    """A question is `{"grid": rows}` with `.` for white, `#` for black, and 0 to 4 for black with a number.

    Upstream has no easy puzzles; here they have more numbers.
    """

    name = "light_up"
    no_solution = "no solution"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 6, "black": 0.15, "share": 1.0},),
        "medium": ({"size": 6, "black": 0.15, "share": 0.7},),
        "hard": ({"size": 6, "black": 0.2, "share": 0.5},),
    }

    def draw(self, random: Random, size: int, black: float, share: float) -> tuple[Question, str]:
        """Generate boards until one has exactly one solution with this share of its black cells numbered."""
        return next(filter(None, (numbered(random, size, black, share) for _ in count())))

    def ask(self, question: Question) -> str:
        grid = question["grid"]
        return (
            f"Light Up. This grid has {len(grid)} rows and {len(grid[0])} columns. `.` is a white cell; `#` and "
            "numbers are black cells. Place light bulbs on white cells. A bulb lights its own cell and shines up, "
            "down, left and right until a black cell or the border stops it. It must come out that:\n"
            "- every white cell is lit;\n"
            "- no bulb is lit by another bulb;\n"
            "- a black cell with a number has exactly so many bulbs among the cells that share a side with it; `#` "
            "may have any number of them.\n\n"
            + "\n".join(grid)
            + "\n\nGive the cells of all bulbs in a fenced code block as a list of (row, column) pairs. Rows are "
            "counted from the top and columns from the left, both from 0, as in [(0, 2), (3, 1)]."
        )

    def solved_by(self, question: Question, cells: frozenset[tuple[int, int]]) -> bool:
        grid = question["grid"]
        if not all(row < len(grid) and column < len(grid[0]) and grid[row][column] == "." for row, column in cells):
            return False
        lights, numbers = board(tuple(grid))
        places = [row * len(grid[0]) + column for row, column in cells]
        bulbs = sum(1 << place for place in places)
        if any(lights[place] & bulbs != 1 << place for place in places):
            return False
        bright = all(around & bulbs for around in lights if around)  # lighting is symmetric
        return bright and all((around & bulbs).bit_count() == number for around, number in numbers)

    def solvable(self, question: Question) -> bool:
        return any(True for _ in solutions(board(tuple(question["grid"]))))

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": "\n".join(question["grid"])}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        text = record["meta"].get("question")
        grid = text.split() if isinstance(text, str) and len(text) <= LONGEST * (LONGEST + 1) else []
        if not 0 < len(grid) <= LONGEST or any(len(row) != len(grid[0]) or set(row) - set(".#01234") for row in grid):
            return None
        return {"grid": grid}


def numbered(random: Random, size: int, black: float, share: float) -> tuple[Question, str] | None:
    """Place bulbs and number all black cells; then remove numbers down to this share, keeping one solution.

    None if there are several solutions at first, or the share is not reached.
    """
    cells = range(size * size)
    blacks = sorted(random.sample(cells, int(black * len(cells))))
    signs = ["0" if cell in blacks else "." for cell in cells]
    lights, unnumbered = board(in_rows(signs, size))
    bulbs = lit_at_random(random, lights)
    numbers = [(around, (around & bulbs).bit_count()) for around, _ in unnumbered]
    if not single(Board(lights, tuple(numbers))):
        return None
    goal = ceil(share * len(blacks))
    for cell, number in random.sample(list(zip(blacks, numbers, strict=True)), len(blacks)):
        fewer = [other for other in numbers if other is not number]
        gone = len(numbers) > goal and single(Board(lights, tuple(fewer)))
        numbers = fewer if gone else numbers
        signs[cell] = "#" if gone else str(number[1])
    if len(numbers) > goal:
        return None
    return {"grid": list(in_rows(signs, size))}, written(divmod(cell, size) for cell in bits(bulbs))


def in_rows(signs: list[str], width: int) -> tuple[str, ...]:
    """Split the signs of cells into lines."""
    return tuple("".join(signs[start : start + width]) for start in range(0, len(signs), width))


def lit_at_random(random: Random, lights: tuple[int, ...]) -> int:
    """Place bulbs on white cells in random order, each on an unlit cell, until all cells are lit."""
    lit, bulbs = 0, 0
    for cell in random.sample(range(len(lights)), len(lights)):
        if lights[cell] and not lit >> cell & 1:
            lit |= lights[cell]
            bulbs |= 1 << cell
    return bulbs


def single(board: Board) -> bool:
    """Whether there is exactly one solution."""
    return len(list(islice(solutions(board), 2))) == 1


@lru_cache(maxsize=256)
def board(grid: tuple[str, ...]) -> Board:
    """The `Board` of a grid."""
    height, width = len(grid), len(grid[0])
    lights, numbers = [0] * (height * width), []
    for row, column in all_cells(height, width):
        seen, beside = 1 << row * width + column, 0
        for down, right in SIDES:
            r, c = row + down, column + right
            beside |= 1 << r * width + c if 0 <= r < height and 0 <= c < width else 0
            while 0 <= r < height and 0 <= c < width and grid[r][c] == ".":
                seen |= 1 << r * width + c
                r, c = r + down, c + right
        if grid[row][column] == ".":
            lights[row * width + column] = seen
        elif grid[row][column] != "#":
            numbers.append((beside, int(grid[row][column])))
    return Board(tuple(lights), tuple(numbers))


def solutions(board: Board) -> Iterator[int]:
    """All ways to place bulbs, as sets of cells; tries each way to light the dark cell with the fewest ways."""
    lights, numbers = board
    white = sum(1 << cell for cell, around in enumerate(lights) if around)

    def light(bulbs: int, lit: int, free: int) -> Iterator[int]:
        for around, number in numbers:
            placed = (around & bulbs).bit_count()
            if not placed <= number <= placed + (around & free).bit_count():
                return
            free &= ~around if placed == number else -1
        dark = list(bits(white & ~lit))
        if not dark:
            if all((around & bulbs).bit_count() == number for around, number in numbers):
                yield bulbs
            return
        hardest = min(dark, key=lambda cell: (lights[cell] & free).bit_count())
        for cell in bits(lights[hardest] & free):
            yield from light(bulbs | 1 << cell, lit | lights[cell], free & ~lights[cell])
            free &= ~(1 << cell)  # not used by the next ways

    return light(0, 0, white)


def bits(cells: int) -> Iterator[int]:
    """The members of a set of cells, in ascending order."""
    while cells:
        lowest = cells & -cells
        yield lowest.bit_length() - 1
        cells ^= lowest


TASK = LightUp()
