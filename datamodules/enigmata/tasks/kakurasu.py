"""Kakurasu: blacken cells so that their positions have the given sum in each row and column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import integers
from datamodules.enigmata.tasks.cells import CellTask, all_cells, written
from datamodules.enigmata.tasks.task import Levels, Question

LONGEST = 8
"""The most rows of a record's grid; upstream's have 4 to 6."""

_RECORD = re.compile(r"Row sums:\s*\[([0-9, ]*)\]\s*Column sums:\s*\[([0-9, ]*)\]")


class Kakurasu(CellTask):
    """A question is `{"rows": sums, "columns": sums}`; cells are counted from 1, as their weights are."""

    name = "kakurasu"
    no_solution = "no valid solution"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 4, "share": 0.3}, {"size": 5, "share": 0.2}),
        "medium": ({"size": 5, "share": 0.3}, {"size": 6, "share": 0.2}),
        "hard": ({"size": 5, "share": 0.4}, {"size": 6, "share": 0.3}),
    }

    def draw(self, random: Random, size: int, share: float) -> tuple[Question, str]:
        """Blacken each cell with this probability; repeat until the sums have exactly one solution."""
        while True:
            cells = [cell for cell in all_cells(size, size, first=1) if random.random() < share]
            rows, columns = sums(frozenset(cells), size, size)
            if cells and len(list(islice(solutions(rows, columns), 2))) == 1:
                return {"rows": rows, "columns": columns}, written(cells)

    def ask(self, question: Question) -> str:
        rows, columns = question["rows"], question["columns"]
        return (
            f"Kakurasu. In a grid of {len(rows)} rows and {len(columns)} columns, black out cells so that every sum "
            "below comes out. In the sum of a row each black cell counts as the number of its column (1 for the "
            "leftmost, 2 for the next, and so on); in the sum of a column it counts as the number of its row (1 for "
            "the topmost). White cells count nothing.\n\n"
            f"Sums of the rows, top to bottom: {', '.join(map(str, rows))}\n"
            f"Sums of the columns, left to right: {', '.join(map(str, columns))}\n\n"
            "Give all black cells in a fenced code block as a list of (row, column) pairs, both counted from 1, as in "
            "[(1, 2), (4, 1)]."
        )

    def solved_by(self, question: Question, cells: frozenset[tuple[int, int]]) -> bool:
        rows, columns = question["rows"], question["columns"]
        if not all(1 <= row <= len(rows) and 1 <= column <= len(columns) for row, column in cells):
            return False
        return sums(cells, len(rows), len(columns)) == (rows, columns)

    def solvable(self, question: Question) -> bool:
        return any(True for _ in solutions(question["rows"], question["columns"]))

    def meta(self, question: Question) -> dict[str, Any]:
        rows, columns = question["rows"], question["columns"]
        return {"question": f"Board size: {len(rows)} X {len(columns)}\nRow sums: {rows}\nColumn sums: {columns}\n"}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        text = record["meta"].get("question")
        found = _RECORD.search(text[:500]) if isinstance(text, str) else None
        rows, columns = (integers(part) for part in found.groups()) if found else (None, None)
        if not rows or not columns or max(len(rows), len(columns)) > LONGEST:
            return None
        return {"rows": rows, "columns": columns}


def sums(cells: frozenset[tuple[int, int]], height: int, width: int) -> tuple[list[int], list[int]]:
    """The sums of these black cells for each row and each column."""
    rows, columns = [0] * height, [0] * width
    for row, column in cells:
        rows[row - 1] += column
        columns[column - 1] += row
    return rows, columns


def solutions(rows: list[int], columns: list[int]) -> Iterator[list[tuple[int, ...]]]:
    """All solutions, as the black columns of each row; from the last row up, checking column sums."""

    def extend(height: int, left: list[int]) -> Iterator[list[tuple[int, ...]]]:
        if height == 0:
            yield []
            return
        below = height * (height - 1) // 2  # the most that the rows above this one can add
        for chosen in subsets(rows[height - 1], len(columns)):
            rest = [needed - height * (column in chosen) for column, needed in enumerate(left, start=1)]
            if all(0 <= needed <= below for needed in rest):
                for above in extend(height - 1, rest):
                    yield [*above, chosen]

    return extend(len(rows), columns)


def subsets(total: int, largest: int) -> list[tuple[int, ...]]:
    """The sets of different numbers from 1 to `largest` with this sum."""
    if largest == 0 or total <= 0:
        return [()] if total == 0 else []
    return [*subsets(total, largest - 1), *((*rest, largest) for rest in subsets(total - largest, largest - 1))]


TASK = Kakurasu()
