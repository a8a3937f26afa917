"""Star battle, upstream's variant: one star in each row and column, no two adjacent, none on a blocked cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise, permutations
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import rows
from datamodules.enigmata.tasks.grids import BEGIN, END, board, spaced
from datamodules.enigmata.tasks.task import Levels, Question, Task

OPEN, BLOCKED, STAR = ".X*"
EXCLUSION_EXPONENT = 4
"""Exponent that makes cells which exclude many arrangements more probable to be blocked."""


class StarBattle(Task):
    """A question is `{"board": rows}` of `.` and `X`; exactly one arrangement of stars is possible.

    Upstream's board has blocked cells instead of regions.
    """

    name = "star_battle"
    levels: ClassVar[Levels] = {"easy": ({"size": 5},), "medium": ({"size": 6},), "hard": ({"size": 7},)}

    def draw(self, random: Random, size: int) -> tuple[Question, str] | None:
        """Block cells until one arrangement is left; None if a line would have only its star's cell open."""
        stars = random.choice(arrangements(size))
        left = [other for other in arrangements(size) if other != stars]
        blocked: set[tuple[int, int]] = set()
        across, down = [0] * size, [0] * size  # blocked cells of each row and column
        while left:
            uses = Counter((row, column) for other in left for row, column in enumerate(other))
            cells = sorted((r, c) for r, c in uses if stars[r] != c and max(across[r], down[c]) < size - 2)
            if not cells:
                return None
            ((row, column),) = random.choices(cells, [uses[cell] ** EXCLUSION_EXPONENT for cell in cells])
            blocked.add((row, column))
            across[row], down[column] = across[row] + 1, down[column] + 1
            left = [other for other in left if other[row] != column]
        grid = ["".join(BLOCKED if (row, c) in blocked else OPEN for c in range(size)) for row in range(size)]
        solved = [line[:column] + STAR + line[column + 1 :] for line, column in zip(grid, stars, strict=True)]
        return {"board": grid}, f"{BEGIN}\n{spaced(solved)}\n{END}"

    def ask(self, question: Question) -> str:
        size = len(question["board"])
        return (
            f"Put {size} stars on this {size} x {size} board: exactly one in every row and exactly one in every "
            "column, no two of them on cells that touch at a side or at a corner, and only on open cells. A dot is "
            f"an open cell, X a blocked one. Exactly one arrangement is possible.\n\n{spaced(question['board'])}\n\n"
            "Give the board with each star written as * in place of its dot, and all else unchanged, in a fenced "
            f"code block, between a line {BEGIN} and a line {END}."
        )

    def judge(self, question: Question, answer: str) -> bool:
        size = len(question["board"])
        solved = board(answer, size, size)
        if solved is None or [line.replace(STAR, OPEN) for line in solved] != question["board"]:
            return False
        return all(line.count(STAR) == 1 for line in solved) and spread([line.index(STAR) for line in solved])

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": spaced(question["board"])}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        size = len(question["board"])
        return spaced(board(answer, size, size) or [])

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        size = len(rows(text)) if isinstance(text, str) else 0
        found = board(text, size, size) if isinstance(text, str) and size else None
        return None if found is None or any(STAR in line for line in found) else {"board": found}


def spread(columns: Sequence[int]) -> bool:
    """Whether stars in these columns, row by row, are in different columns and do not touch."""
    return len(set(columns)) == len(columns) and all(abs(a - b) > 1 for a, b in pairwise(columns))


@cache
def arrangements(size: int) -> list[tuple[int, ...]]:
    """All arrangements on an empty board, as the stars' columns, row by row."""
    return [columns for columns in permutations(range(size)) if spread(columns)]


TASK = StarBattle()
