"""Twiddle: turn 2 x 2 squares of a 3 x 3 board counterclockwise until the tiles are in order."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import pairs
from datamodules.enigmata.tasks.boards import board_of, flat, in_rows, text_of
from datamodules.enigmata.tasks.task import Levels, Question, Task

SIZE = 3
ORDERED = list(range(1, SIZE * SIZE + 1))
CORNERS = [(row, column) for row in range(SIZE - 1) for column in range(SIZE - 1)]
"""Rows and columns of the upper left cells of the squares."""


class Twiddle(Task):
    """A question is `{"board": rows}`.

    Upstream's easy puzzles need one or two turns, which are only 20 boards; here easy ones need up to three: 84 boards,
    with 314 medium and 4,513 hard ones.
    """

    name = "twiddle"
    levels: ClassVar[Levels] = {
        "easy": ({"least": 1, "most": 3},),
        "medium": ({"least": 3, "most": 4},),
        "hard": ({"least": 5, "most": 6},),
    }

    def draw(self, random: Random, least: int, most: int) -> tuple[Question, str]:
        """A board that needs `least` to `most` turns and not fewer: four turns of one square cancel out."""
        turns: list[tuple[int, int]] = []
        for _ in range(random.randint(least, most)):
            spent = turns[-1] if len(turns) >= 3 and len({*turns[-3:]}) == 1 else None
            turns.append(random.choice([corner for corner in CORNERS if corner != spent]))
        tiles = ORDERED
        for corner in reversed(turns):
            tiles = turned(tiles, corner, times=3)
        return {"board": in_rows(tiles, SIZE)}, "->".join(f"({row},{column})" for row, column in turns)

    def ask(self, question: Question) -> str:
        return (
            f"The tiles 1 to 9 lie on a 3 x 3 board:\n\n{text_of(question['board'])}\n\nA move takes four cells that "
            f"form a 2 x 2 square and turns them counterclockwise by a quarter: with `1 2` above `4 5`, the square "
            f"becomes `2 5` above `1 4`. Write it as (row,column) of the upper left cell of the square, both counted "
            f"from 0, so that there are four moves: (0,0), (0,1), (1,0) and (1,1). Reach this order, in any number of "
            f"moves:\n\n{text_of(in_rows(ORDERED, SIZE))}\n\nGive the moves in a fenced code block, joined by arrows, "
            f"such as `(1,0)->(0,1)`."
        )

    def judge(self, question: Question, answer: str) -> bool:
        turns, tiles = pairs(answer.replace("->", " ").replace("\u2192", " ")), flat(question["board"])
        if turns is None or not all(corner in SOURCES for corner in turns):
            return False
        for corner in turns:
            tiles = turned(tiles, corner)
        return tiles == ORDERED

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["board"], "language": "en"}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return [list(corner) for corner in pairs(answer.replace("->", " ")) or ()]

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        board = board_of(record, SIZE, 1)
        return None if board is None else {"board": board}


def sources(corner: tuple[int, int]) -> list[int]:
    """The source cell of each cell in a turn of this square."""
    first, cells = SIZE * corner[0] + corner[1], list(range(SIZE * SIZE))
    around = [first, first + 1, first + SIZE + 1, first + SIZE]
    for cell, source in zip(around, [*around[1:], first], strict=True):
        cells[cell] = source
    return cells


SOURCES = {corner: sources(corner) for corner in CORNERS}


def turned(tiles: list[int], corner: tuple[int, int], times: int = 1) -> list[int]:
    """The tiles after quarter turns of this square, counterclockwise."""
    for _ in range(times):
        tiles = [tiles[source] for source in SOURCES[corner]]
    return tiles


TASK = Twiddle()
