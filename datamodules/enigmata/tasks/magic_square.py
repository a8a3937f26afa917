"""Magic square: nine different integers, all lines of three with the same sum."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import integer_grid
from datamodules.enigmata.tasks.grids import recorded, text_of
from datamodules.enigmata.tasks.task import Levels, Question, Task

LO_SHU = (2, 7, 6, 9, 5, 1, 4, 3, 8)
SYMMETRIES = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8), (2, 5, 8, 1, 4, 7, 0, 3, 6), (8, 7, 6, 5, 4, 3, 2, 1, 0), (6, 3, 0, 7, 4, 1, 8, 5, 2),
    (2, 1, 0, 5, 4, 3, 8, 7, 6), (0, 3, 6, 1, 4, 7, 2, 5, 8), (6, 7, 8, 3, 4, 5, 0, 1, 2), (8, 5, 2, 7, 4, 1, 6, 3, 0),
)  # fmt: skip
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


class MagicSquare(Task):
    """A question is `{"grid": rows}` with None for a cell to be filled.

    The reference is an arithmetic progression, as in upstream's; if few cells are given, other squares fit too,
    and each is a right answer.
    """

    name = "magic_square"
    levels: ClassVar[Levels] = {
        "easy": ({"masks": 2}, {"masks": 3}),
        "medium": ({"masks": 4}, {"masks": 5}),
        "hard": ({"masks": 6}, {"masks": 7}),
    }

    def draw(self, random: Random, masks: int) -> tuple[Question, str]:
        """The square of 1 to 9, rotated or mirrored, with its numbers replaced by those of a progression."""
        first, step, places = random.randint(-25, 25), random.randint(1, 10), random.choice(SYMMETRIES)
        numbers = [first + step * (LO_SHU[place] - 1) for place in places]
        hidden = random.sample(range(9), masks)
        shown = [None if cell in hidden else number for cell, number in enumerate(numbers)]
        return {"grid": [shown[0:3], shown[3:6], shown[6:9]]}, bracketed([numbers[0:3], numbers[3:6], numbers[6:9]])

    def ask(self, question: Question) -> str:
        return (
            "Complete this magic square of 3 x 3 cells. Replace each dot by a whole number, which may be negative, so "
            "that all three rows, all three columns and both diagonals have the same sum. All nine numbers must be "
            "different, and those that are given stay. Where several squares are possible, any of them is right.\n\n"
            f"{shown(question['grid'])}\n\n"
            "Give the full square in a fenced code block, with a row in brackets on each line, like\n"
            "[[a, b, c],\n [d, e, f],\n [g, h, i]]"
        )

    def judge(self, question: Question, answer: str) -> bool:
        square = integer_grid(answer, 3, 3)
        if square is None:
            return False
        cells, clues = list(chain.from_iterable(square)), chain.from_iterable(question["grid"])
        if any(clue not in (None, cell) for clue, cell in zip(clues, cells, strict=True)):
            return False
        return len(set(cells)) == 9 and len({cells[a] + cells[b] + cells[c] for a, b, c in LINES}) == 1

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["grid"], "masks": sum(row.count(None) for row in question["grid"])}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return integer_grid(answer, 3, 3)

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        grid = recorded(meta.get("question")) if isinstance(meta, Mapping) else None
        return {"grid": grid} if grid and len(grid) == 3 else None


def bracketed(grid: list[list[int]]) -> str:
    """One row per line, as nested brackets."""
    return "[" + ",\n ".join(map(str, grid)) + "]"


def shown(grid: list[list[int | None]]) -> str:
    """One row per line, a dot for a cell to be filled."""
    return text_of([["." if cell is None else str(cell) for cell in row] for row in grid])


TASK = MagicSquare()
