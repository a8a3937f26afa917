"""Base class of tasks whose answer is a list of cells, `[(row, column), ...]`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import pairs, unquoted
from datamodules.enigmata.tasks.task import Question, Task


class CellTask(Task):
    """A task whose answer is a list of cells, in any order.

    Attributes:
        no_solution: the beginning of upstream's sentence for "no solution". Generated questions always have one.
    """

    no_solution: ClassVar[str]

    @abstractmethod
    def solved_by(self, question: Question, cells: frozenset[tuple[int, int]]) -> bool:
        """Whether these cells, which may be outside the grid, are a right answer."""

    @abstractmethod
    def solvable(self, question: Question) -> bool:
        """Whether the question has a solution."""

    def judge(self, question: Question, answer: str) -> bool:
        cells = pairs(answer)
        if cells is not None:
            return self.solved_by(question, frozenset(cells))
        return unquoted(answer).casefold().startswith(self.no_solution) and not self.solvable(question)

    def upstream_answer(self, question: Question, answer: str) -> list[list[int]]:
        return [list(cell) for cell in pairs(answer) or ()]


def written(cells: Iterable[tuple[int, int]]) -> str:
    """The cells as text, sorted as the prompts require."""
    return f"[{', '.join(map(str, sorted(cells)))}]"


def all_cells(height: int, width: int, first: int = 0) -> list[tuple[int, int]]:
    """The cells of a grid, row by row, counted from `first`."""
    return [(row, column) for row in range(first, first + height) for column in range(first, first + width)]


def number_grid(value: Any, low: int, high: int, longest: int) -> list[list[int]] | None:
    """A record's rows of equal length with integers in these bounds; None for anything else."""
    if not isinstance(value, list) or not 0 < len(value) <= longest:
        return None
    if not all(isinstance(row, list) and 0 < len(row) <= longest and len(row) == len(value[0]) for row in value):
        return None
    if not all(type(n) in (int, float) and low <= n <= high and n == int(n) for row in value for n in row):
        return None
    return [list(map(int, row)) for row in value]
