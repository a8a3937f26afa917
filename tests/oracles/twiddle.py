"""Twiddle: squares turned cell by cell."""

from __future__ import annotations

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import cells


def right(question: Question, answer: str) -> bool:
    turns, rows = cells(answer.replace("->", " ").replace("\u2192", " ")), question["board"]
    if turns is None or not {*turns} <= {(0, 0), (0, 1), (1, 0), (1, 1)}:
        return False
    for corner in turns:
        rows = turn(rows, *corner)
    return rows == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def turn(rows: list[list[int]], r: int, c: int) -> list[list[int]]:
    """One quarter, counterclockwise."""
    new = [list(row) for row in rows]
    new[r][c], new[r][c + 1] = rows[r][c + 1], rows[r + 1][c + 1]
    new[r + 1][c + 1], new[r + 1][c] = rows[r + 1][c], rows[r][c]
    return new
