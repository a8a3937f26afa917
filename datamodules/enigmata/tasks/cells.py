"""What the tasks share that are answered with a list of cells, `[(row, column), ...]`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import pairs, unquoted
from datamodules.enigmata.tasks.task import Question, Task


class CellTask(Task):
    """A task answered with cells, in any order.

    Attributes:
        hopeless: how upstream's sentence begins that there is no answer. None of our questions is hopeless.
    """

    hopeless: ClassVar[str]

    @abstractmethod
    def solved_by(self, question: Question, cells: frozenset[tuple[int, int]]) -> bool:
        """Whether these cells, which may lie anywhere, are a right answer."""

    @abstractmethod
    def solvable(self, question: Question) -> bool:
        """Whether there is anything to answer."""

    def judge(self, question: Question, answer: str) -> bool:
        cells = pairs(answer)
        if cells is not None:
            return self.solved_by(question, frozenset(cells))
        return unquoted(answer).casefold().startswith(self.hopeless) and not self.solvable(question)

    def upstream_answer(self, question: Question, answer: str) -> list[list[int]]:
        return [list(cell) for cell in pairs(answer) or ()]


def written(cells: Iterable[tuple[int, int]]) -> str:
    """Sorted, as the prompts ask for them."""
    return f"[{', '.join(map(str, sorted(cells)))}]"


def all_cells(height: int, width: int, first: int = 0) -> list[tuple[int, int]]:
    """The cells of a grid, row by row, counted from `first`."""
    return [(row, column) for row in range(first, first + height) for column in range(first, first + width)]


def number_grid(value: Any, low: int, high: int, longest: int) -> list[list[int]] | None:
    """Rows of equal length with whole numbers in these bounds, out of a record; None where it is anything else."""
    if not isinstance(value, list) or not 0 < len(value) <= longest:
        return None
    if not all(isinstance(row, list) and 0 < len(row) <= longest and len(row) == len(value[0]) for row in value):
        return None
    if not all(type(n) in (int, float) and low <= n <= high and n == int(n) for row in value for n in row):
        return None
    return [list(map(int, row)) for row in value]
