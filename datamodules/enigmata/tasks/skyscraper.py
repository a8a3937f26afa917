"""Skyscraper: find a Latin square of heights from the number of buildings visible from each end of each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.grids import digit_grid, fillings, is_sudoku, text_of
from datamodules.enigmata.tasks.task import Levels, Question, Task

SIDES = ("top", "left", "right", "bottom")


class Skyscraper(Task):
    """A question is `{"top": clues, "left": clues, "right": clues, "bottom": clues}`, from the left or from the top.

    All clues are given; often several squares fit them, and each is a right answer.
    """

    name = "skyscraper"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 3}, {"size": 4}),
        "medium": ({"size": 5}, {"size": 6}),
        "hard": ({"size": 7}, {"size": 8}),
    }
    clue_says: ClassVar[str] = "how many buildings are seen when one looks along that row or column from there"

    def clue(self, line: Sequence[int]) -> int:
        """The clue for the buildings visible from the front of the line."""
        return len(visible(line))

    def draw(self, random: Random, size: int) -> tuple[Question, str]:
        """Generate all clues of a random Latin square."""
        square = next(fillings([[0] * size for _ in range(size)], 1, random))
        return self.clues(square), text_of(square)

    def clues(self, square: Sequence[Sequence[int]]) -> Question:
        """The clues of the four sides."""
        columns = list(zip(*square, strict=True))
        return {
            "top": [self.clue(column) for column in columns],
            "left": [self.clue(row) for row in square],
            "right": [self.clue(row[::-1]) for row in square],
            "bottom": [self.clue(column[::-1]) for column in columns],
        }

    def ask(self, question: Question) -> str:
        size = len(question["top"])
        clues = {side: " ".join(map(str, question[side])) for side in SIDES}
        return (
            f"On each cell of a {size} x {size} grid stands one building, from 1 to {size} floors high, and no two "
            f"buildings in a row or in a column are equally high. A building hides every lower one behind it. The clue "
            f"at an end of a row or column says {self.clue_says}.\n\n"
            f"Columns from above, left to right: {clues['top']}\n"
            f"Columns from below, left to right: {clues['bottom']}\n"
            f"Rows from the left, top to bottom: {clues['left']}\n"
            f"Rows from the right, top to bottom: {clues['right']}\n\n"
            f"Find heights that agree with all clues; where several grids do, any of them is right. Give the grid in a "
            f"fenced code block: {size} lines of {size} heights, separated by spaces."
        )

    def judge(self, question: Question, answer: str) -> bool:
        square = digit_grid(answer, len(question["top"]))
        return square is not None and is_sudoku(square, 1) and self.clues(square) == question

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question, "grid_size": len(question["top"]), "language": "en"}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return digit_grid(answer, len(question["top"]))

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        found = meta.get("question") if isinstance(meta, Mapping) else None
        if not isinstance(found, Mapping) or not all(isinstance(found.get(side), list) for side in SIDES):
            return None
        size = len(found["top"])
        proper = 1 <= size <= 9 and all(
            len(found[side]) == size and all(type(clue) is int and clue > 0 for clue in found[side]) for side in SIDES
        )
        return {side: list(found[side]) for side in SIDES} if proper else None


def visible(line: Sequence[int]) -> set[int]:
    """The heights visible from the front: those higher than all before."""
    return set(accumulate(line, max))


TASK = Skyscraper()
