"""Hitori: the rules on graphs."""

from __future__ import annotations

import networkx

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, cells


def right(question: Question, answer: str) -> bool:
    found = cells(answer)
    return found is not None and follows_the_rules(question["grid"], set(found))


def follows_the_rules(grid: list[list[int]], black: set[Cell]) -> bool:
    size = len(grid)
    board = networkx.grid_2d_graph(size, size)
    if not black <= set(board) or board.subgraph(black).number_of_edges():
        return False
    white = board.subgraph(set(board) - black)
    rows = [grid[r][c] + 100 * r for r, c in white]
    columns = [grid[r][c] + 100 * c for r, c in white]
    return len(set(rows)) == len(rows) and len(set(columns)) == len(columns) and networkx.is_connected(white)
