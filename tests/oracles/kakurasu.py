"""Kakurasu: the sums of the cells, written out."""

from __future__ import annotations

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, cells


def right(question: Question, answer: str) -> bool:
    found, height, width = cells(answer), len(question["rows"]), len(question["columns"])
    inside = found is not None and all(0 < r <= height and 0 < c <= width for r, c in found)
    return inside and sums(set(found or ()), height, width) == question


def sums(black: set[Cell], height: int, width: int) -> Question:
    """The question that these cells answer."""
    grid = [[int((r, c) in black) for c in range(1, width + 1)] for r in range(1, height + 1)]
    down = [sum(weight * row[c] for weight, row in enumerate(grid, 1)) for c in range(width)]
    return {"rows": [sum(weight * bit for weight, bit in enumerate(row, 1)) for row in grid], "columns": down}
