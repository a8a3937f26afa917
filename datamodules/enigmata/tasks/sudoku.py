"""Sudoku: every number once in each row, column and box."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, product
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.grids import digit_grid, fillings, is_sudoku, recorded, text_of
from datamodules.enigmata.tasks.task import Levels, Question, Task


class Sudoku(Task):
    """A question is `{"grid": rows}` with 0 for a cell to be filled; it has one solution."""

    name = "sudoku"
    levels: ClassVar[Levels] = {
        "easy": tuple({"holes": holes} for holes in range(10, 21)),
        "medium": tuple({"holes": holes} for holes in range(20, 36)),
        "hard": tuple({"holes": holes} for holes in range(35, 51)),
    }
    box: ClassVar[int] = 3

    def draw(self, random: Random, holes: int) -> tuple[Question, str] | None:
        """A random full grid, emptied cell by cell while one solution is left; None if too few cells can be emptied."""
        size = self.box**2
        solution = next(fillings([[0] * size for _ in range(size)], self.box, random))
        grid, left = [list(row) for row in solution], holes
        for row, column in random.sample(list(product(range(size), repeat=2)), size**2):
            if left and not has_another(grid, row, column, self.box):
                grid[row][column] = 0
                left -= 1
        return None if left else ({"grid": grid}, text_of(solution))

    def ask(self, question: Question) -> str:
        size = self.box**2
        return (
            f"Solve this {size} x {size} sudoku. Put a number from 1 to {size} in place of every dot so that each row, "
            f"each column and each of the {size} boxes of {self.box} x {self.box} cells that "
            f"the grid is cut into contains every number from 1 to {size} once. The numbers that are given stay.\n\n"
            f"{text_of(question['grid'])}\n\n"
            f"Give the full grid in a fenced code block: {size} lines of {size} numbers, separated by spaces."
        )

    def judge(self, question: Question, answer: str) -> bool:
        filled = digit_grid(answer, self.box**2)
        if filled is None:
            return False
        pairs = zip(chain.from_iterable(question["grid"]), chain.from_iterable(filled), strict=True)
        return all(clue in (0, cell) for clue, cell in pairs) and is_sudoku(filled, self.box)

    def canonical(self, question: Question) -> Any:
        """The grid with its numbers renamed by first appearance, since they do not matter."""
        names = {0: 0}
        return [[names.setdefault(cell, len(names)) for cell in row] for row in question["grid"]]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["grid"], "holes": sum(row.count(0) for row in question["grid"])}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return digit_grid(answer, self.box**2)

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        found = recorded(meta.get("question")) if isinstance(meta, Mapping) else None
        grid = [[cell or 0 for cell in row] for row in found or []]
        proper = len(grid) == self.box**2 and all(0 <= cell <= len(grid) for row in grid for cell in row)
        return {"grid": grid} if proper else None


def has_another(grid: list[list[int]], row: int, column: int, box: int) -> bool:
    """Whether the grid without this cell has a solution with another number in it."""
    size = len(grid)
    top, left = row // box * box, column // box * box
    boxed = {value for line in grid[top : top + box] for value in line[left : left + box]}
    taken = boxed.union(grid[row], (line[column] for line in grid))
    for value in range(1, size + 1):
        if value not in taken:
            changed = [list(line) for line in grid]
            changed[row][column] = value
            if next(fillings(changed, box), None) is not None:
                return True
    return False


TASK = Sudoku()
