"""Sudoku of any size: every row, column and box as a set."""

from __future__ import annotations

from itertools import product
from math import isqrt

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, digits


def right(question: Question, answer: str) -> bool:
    size = len(question["grid"])
    lines = digits(answer, size)
    if lines is None:
        return False
    kept = all(question["grid"][r][c] in (0, int(lines[r][c])) for r, c in product(range(size), repeat=2))
    return kept and all({lines[r][c] for r, c in unit} == set("123456789"[:size]) for unit in units(size))


def units(size: int) -> list[list[Cell]]:
    """The cells of each row, column and box."""
    line, box = range(size), isqrt(size)
    corners = product(range(0, size, box), repeat=2)
    return [
        *([(i, j) for j in line] for i in line),
        *([(j, i) for j in line] for i in line),
        *([(r + a, c + b) for a, b in product(range(box), repeat=2)] for r, c in corners),
    ]
