"""Slant: draw a diagonal in every cell, with the given number of ends at each numbered corner, and no loop."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import integer_grid, symbol_grid
from datamodules.enigmata.tasks.cells import all_cells, number_grid
from datamodules.enigmata.tasks.task import Levels, Question, Task

UNKNOWN = -1
FORWARD, BACKWARD, UNDRAWN = 1, -1, 0
"""`/` connects the lower left and the upper right corner of its cell, `\\` the upper left and the lower right."""

LONGEST = 13
"""The most rows of corners in a record; upstream's have at most 7."""


class Slant(Task):
    """A question is `{"corners": rows}`, one more each way than cells, with -1 for a corner without a number.

    In most of upstream's records the answer has a loop, and no other answer fits the numbers. Such a question also has
    `"loops": True`, and its answer may have loops.
    """

    name = "slant"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 6, "hidden": 0.1}, {"size": 6, "hidden": 0.2}),
        "medium": ({"size": 6, "hidden": 0.3}, {"size": 6, "hidden": 0.4}),
        "hard": ({"size": 6, "hidden": 0.5},),
    }

    def draw(self, random: Random, size: int, hidden: float) -> tuple[Question, str]:
        """A drawing without loops; the numbers needed to infer it, then others, up to the share shown."""
        corners = all_cells(size + 1, size + 1)
        goal = int((1 - hidden) * len(corners))
        while True:
            drawing = drawing_at_random(random, size)
            numbers = numbers_of(drawing)
            shown = needed(random, numbers, goal)
            if shown is None:
                continue
            rest = [corner for corner in corners if corner not in shown]
            shown.extend(random.sample(rest, goal - len(shown)))
            clues = [[numbers[r][c] if (r, c) in shown else UNKNOWN for c in range(size + 1)] for r in range(size + 1)]
            return {"corners": clues}, "\n".join(" ".join(map(str, row)) for row in drawing)

    def ask(self, question: Question) -> str:
        corners = question["corners"]
        shown = "\n".join(" ".join("." if number == UNKNOWN else str(number) for number in row) for row in corners)
        height, width = len(corners) - 1, len(corners[0]) - 1
        return (
            f"Slant. A grid has {height} rows and {width} columns of square cells. Draw one diagonal in every cell: "
            "`/`, from its lower left to its upper right corner, or `\\`, from its upper left to its lower right "
            f"corner. Below are the {height + 1} x {width + 1} corners of the cells. A number says how many diagonals "
            "end in that corner; `.` may have any number of them. The diagonals must nowhere close a loop.\n\n"
            f"{shown}\n\n"
            f"Give the diagonals in a fenced code block, a row of cells to a line ({height} lines of {width} numbers), "
            "separated by spaces: 1 for `/` and -1 for `\\`."
        )

    def judge(self, question: Question, answer: str) -> bool:
        corners = question["corners"]
        drawing = drawing_in(answer, len(corners) - 1, len(corners[0]) - 1)
        if drawing is None:
            return False
        for clues, numbers in zip(corners, numbers_of(drawing), strict=True):
            if any(clue not in (UNKNOWN, number) for clue, number in zip(clues, numbers, strict=True)):
                return False
        return "loops" in question or loopless(drawing)

    def canonical(self, question: Question) -> list[list[int]]:
        return question["corners"]

    def meta(self, question: Question) -> dict[str, Any]:
        rows = (["." if number == UNKNOWN else str(number) for number in row] for row in question["corners"])
        return {"question": "\n".join(map(" ".join, rows))}

    def upstream_answer(self, question: Question, answer: str) -> list[list[float]]:
        corners = question["corners"]
        drawing = drawing_in(answer, len(corners) - 1, len(corners[0]) - 1)
        return [[float(cell) for cell in row] for row in drawing or ()]

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        text = record["meta"].get("question")
        lines = text.splitlines() if isinstance(text, str) and len(text) <= 2 * LONGEST * LONGEST else []
        signs = [line.split() for line in lines if line.strip()]
        if not all(sign in (".", "0", "1", "2", "3", "4") for row in signs for sign in row):
            return None
        corners = number_grid([[UNKNOWN if s == "." else int(s) for s in row] for row in signs], UNKNOWN, 4, LONGEST)
        if not corners or min(len(corners), len(corners[0])) < 2:
            return None
        drawing = number_grid(record.get("answer"), BACKWARD, FORWARD, LONGEST - 1)
        if drawing is None or len(drawing) != len(corners) - 1 or len(drawing[0]) != len(corners[0]) - 1:
            return {"corners": corners}
        return {"corners": corners} if loopless(drawing) else {"corners": corners, "loops": True}


class Lines:
    """The corners connected by diagonals so far: a forest with a root for each tree.

    Args:
        height, width: the numbers of rows and columns of corners.
    """

    def __init__(self, height: int, width: int) -> None:
        self.width = width
        self.above = list(range(height * width))

    def ends(self, row: int, column: int, way: int) -> tuple[int, int]:
        """The roots of the two corners that this diagonal of this cell connects."""
        first = row * self.width + column + (way == FORWARD)
        second = (row + 1) * self.width + column + (way == BACKWARD)
        return self.root(first), self.root(second)

    def root(self, corner: int) -> int:
        while self.above[corner] != corner:
            self.above[corner] = corner = self.above[self.above[corner]]
        return corner

    def draw(self, row: int, column: int, way: int) -> bool:
        """Draw this diagonal if it closes no loop.  -> whether it was drawn"""
        first, second = self.ends(row, column, way)
        self.above[first] = second
        return first != second


def drawing_in(answer: str, height: int, width: int) -> list[list[int]] | None:
    """The diagonals of an answer, given as 1 and -1 or as slashes."""
    slashes = symbol_grid(answer, height, width, "/\\")
    if slashes is not None:
        return [[FORWARD if sign == "/" else BACKWARD for sign in row] for row in slashes]
    drawing = integer_grid(answer, height, width)
    fits = drawing is not None and all(way in (FORWARD, BACKWARD) for row in drawing for way in row)
    return drawing if fits else None


def touching(height: int, width: int, row: int, column: int) -> list[tuple[int, int, int]]:
    """The cells around a corner of a grid of cells, each with the diagonal that would end there."""
    cells = ((row - 1, column - 1, BACKWARD), (row - 1, column, FORWARD), (row, column - 1, FORWARD),
             (row, column, BACKWARD))  # fmt: skip
    return [(r, c, way) for r, c, way in cells if 0 <= r < height and 0 <= c < width]


def loopless(drawing: list[list[int]]) -> bool:
    """Whether the diagonals close no loop."""
    lines = Lines(len(drawing) + 1, len(drawing[0]) + 1)
    return all(lines.draw(row, column, way) for row, line in enumerate(drawing) for column, way in enumerate(line))


def numbers_of(drawing: list[list[int]]) -> list[list[int]]:
    """The number of diagonals that end in each corner."""
    numbers = [[0] * (len(drawing[0]) + 1) for _ in range(len(drawing) + 1)]
    for row, line in enumerate(drawing):
        for column, way in enumerate(line):
            numbers[row][column + (way == FORWARD)] += 1
            numbers[row + 1][column + (way == BACKWARD)] += 1
    return numbers


def drawing_at_random(random: Random, size: int) -> list[list[int]]:
    """Draw random diagonals in random order; if one closes a loop, the other: at most one of them does."""
    drawing, lines = [[UNDRAWN] * size for _ in range(size)], Lines(size + 1, size + 1)
    for row, column in random.sample(all_cells(size, size), size * size):
        way = random.choice((FORWARD, BACKWARD))
        drawing[row][column] = way if lines.draw(row, column, way) else -way
        if drawing[row][column] != way:
            lines.draw(row, column, -way)
    return drawing


def needed(random: Random, numbers: list[list[int]], most: int) -> list[tuple[int, int]] | None:
    """Corners whose numbers suffice to infer all diagonals; one is added whenever inference stops.

    None if that fails or needs more than `most`. Of a cell's four corners one with new information is added.
    """
    size = len(numbers) - 1
    shown: list[tuple[int, int]] = []
    drawing, lines = [[UNDRAWN] * size for _ in range(size)], Lines(size + 1, size + 1)

    def tells(corner: tuple[int, int]) -> bool:
        undrawn, missing = left_at(corner, numbers, drawing)
        return missing in (0, len(undrawn))

    while len(shown) < most:
        corners = [corner for corner in all_cells(size + 1, size + 1) if corner not in shown]
        corners = [corner for corner in corners if left_at(corner, numbers, drawing)[0]]
        if not corners:
            break
        shown.append(max(random.sample(corners, min(4, len(corners))), key=tells))
        infer(numbers, shown, drawing, lines)
    return shown if all(UNDRAWN not in row for row in drawing) else None


def left_at(
    corner: tuple[int, int], numbers: list[list[int]], drawing: list[list[int]]
) -> tuple[list[tuple[int, int, int]], int]:
    """The undrawn diagonals that could end in a corner, and how many of them must by its number."""
    row, column = corner
    cells = touching(len(drawing), len(drawing[0]), row, column)
    undrawn = [(r, c, way) for r, c, way in cells if drawing[r][c] == UNDRAWN]
    return undrawn, numbers[row][column] - sum(drawing[r][c] == way for r, c, way in cells)


def infer(numbers: list[list[int]], shown: list[tuple[int, int]], drawing: list[list[int]], lines: Lines) -> None:
    """Draw all diagonals that can be inferred: all or none of a corner's open ones, and those that avoid a loop."""
    before, left = -1, 0
    while before != left:
        before = left
        for corner in shown:
            undrawn, missing = left_at(corner, numbers, drawing)
            for row, column, way in undrawn if missing in (0, len(undrawn)) else ():
                drawing[row][column] = way if missing else -way
                lines.draw(row, column, drawing[row][column])
        undrawn = [cell for cell in all_cells(len(drawing), len(drawing[0])) if drawing[cell[0]][cell[1]] == UNDRAWN]
        for row, column in undrawn:
            looped = [way for way in (FORWARD, BACKWARD) if len(set(lines.ends(row, column, way))) == 1]
            if looped:
                drawing[row][column] = -looped[0]
                lines.draw(row, column, -looped[0])
        left = sum(row.count(UNDRAWN) for row in drawing)


TASK = Slant()
