"""Enigmata's maze: find a path from the top left to the bottom right corner, or answer that there is none.

Any path over open cells is right. (The maze of the Pass@k paper is another task: `datamodules.maze.lattice_maze`.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import bare, said
from datamodules.enigmata.tasks.task import Levels, Question, Task

WALL, START, END = "B", "S", "E"
NONE = "not exist"
SENTENCES = (NONE, "not exist the path from start to end")
"""The answers for "no path": passk's, and that of upstream's prompt."""

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
LARGEST = 50
"""The most rows or columns of a record."""

_CELL = re.compile(r"\([ \t]*([1-9][0-9]?)[ \t]*,[ \t]*([1-9][0-9]?)[ \t]*\)")
_INTRODUCTION = re.compile(r"\A\s*the answer is:", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;>\-\[\]]*")


class Maze(Task):
    """A question is `{"grid": rows as strings}` of B for a wall, S, E and a dot for an open cell."""

    name = "maze"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 5, "least": 15, "most": 25},),
        "medium": ({"size": 5, "least": 26, "most": 40},),
        "hard": ({"size": 5, "least": 41, "most": 55},),
    }

    def draw(self, random: Random, size: int, least: int, most: int) -> tuple[Question, str]:
        """Draw walls for `least` to `most` percent of the cells, with repetitions; half of the mazes have a path."""
        exists = random.random() < 0.5
        while True:
            cells = [["."] * size for _ in range(size)]
            for _ in range(random.randint(least, most) * size * size // 100):
                cells[random.randrange(size)][random.randrange(size)] = WALL
            cells[0][0], cells[-1][-1] = START, END
            grid = ["".join(row) for row in cells]
            way = shortest_way(grid)
            if bool(way) == exists:
                return {"grid": grid}, "->".join(f"({row + 1},{column + 1})" for row, column in way) or NONE

    def ask(self, question: Question) -> str:
        grid = question["grid"]
        drawn = "\n".join(" ".join(row) for row in grid)
        return (
            f"This is a maze of {len(grid)} rows and {len(grid[0])} columns:\n\n{drawn}\n\nYou stand on S and want to "
            "get to E. A step takes you to the next cell above, below, to the left or to the right, and never onto a "
            "wall, which is a B. A cell is written (row,column), both counted from 1, so that S is (1,1).\n\n"
            "Give every cell of your way from S to E in a fenced code block, like (1,1)->(1,2)->(2,2), S and E "
            f"included. Any way will do. If none exists, write `{NONE}` in a fenced code block."
        )

    def judge(self, question: Question, answer: str) -> bool:
        grid, answer = question["grid"], bare(_INTRODUCTION.sub("", bare(answer), count=1))
        if any(said(answer, sentence) for sentence in SENTENCES):
            return not shortest_way(grid)
        way = [(int(row) - 1, int(column) - 1) for row, column in _CELL.findall(answer)]
        if not way or not all(map(_BETWEEN.fullmatch, _CELL.split(answer)[::3])):
            return False
        if way[0] != (0, 0) or way[-1] != (len(grid) - 1, len(grid[0]) - 1):
            return False
        return all(
            abs(row - r) + abs(column - c) == 1 and is_open(grid, row, column)
            for (r, c), (row, column) in pairwise(way)
        )

    def meta(self, question: Question) -> dict[str, Any]:
        rows = [list(row) for row in question["grid"]]
        return {"question": rows, "height": len(rows), "width": len(rows[0]), "language": "en"}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return f"The answer is: {answer}"

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        rows = meta.get("question") if isinstance(meta, Mapping) else None
        if not isinstance(rows, list) or not 0 < len(rows) <= LARGEST or not all(isinstance(row, list) for row in rows):
            return None
        cells = [cell for row in rows for cell in row]
        if len({len(row) for row in rows}) > 1 or not 1 < len(cells) <= LARGEST * len(rows):
            return None
        if not all(cell in (".", WALL) for cell in cells[1:-1]) or (cells[0], cells[-1]) != (START, END):
            return None
        return {"grid": ["".join(row) for row in rows]}


def is_open(grid: Sequence[str], row: int, column: int) -> bool:
    """Whether this is a cell of the maze and not a wall."""
    return 0 <= row < len(grid) and 0 <= column < len(grid[0]) and grid[row][column] != WALL


def shortest_way(grid: Sequence[str]) -> list[tuple[int, int]]:
    """The cells of a shortest path from the first cell to the last; [] if there is none."""
    end = (len(grid) - 1, len(grid[0]) - 1)
    came_from: dict[tuple[int, int], tuple[int, int] | None] = {(0, 0): None}
    ring = [(0, 0)]
    while ring and end not in came_from:
        reached: list[tuple[int, int]] = []
        for row, column in ring:
            for down, right in STEPS:
                cell = (row + down, column + right)
                if cell not in came_from and is_open(grid, *cell):
                    came_from[cell] = (row, column)
                    reached.append(cell)
        ring = reached
    way, cell = [], end if end in came_from else None
    while cell is not None:
        way.append(cell)
        cell = came_from[cell]
    return way[::-1]


TASK = Maze()
