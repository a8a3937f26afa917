"""Reads mazes in verl's columns: data_source, prompt (a list of chat messages), ability, reward_model, extra_info.

It is not certain which inner key of reward_model has the maze, so several are tried.
"""

from __future__ import annotations

from typing import Any

from datamodules.maze.board import END, FREE, START, WALL, Grid
from datamodules.sources import parse_json

GRID_KEYS = ("reward_model", "ground_truth", "maze", "grid", "puzzle", "question", "extra_info")
"""Keys that may have the maze, tried in this order at every level; reward_model and extra_info are columns."""

MAX_DEPTH = 6


def find_grid(value: Any, depth: int = MAX_DEPTH) -> Grid | None:
    """The first maze inside a value: text of lines, a list of rows, a list of lists of squares, or JSON of these.

    Objects are searched by the keys of `GRID_KEYS`, in that order; anything else is ignored.
    """
    if depth == 0:
        return None
    if isinstance(value, dict):
        found = (find_grid(value[key], depth - 1) for key in GRID_KEYS if key in value)
        return next((grid for grid in found if grid is not None), None)
    if isinstance(value, list):
        return as_grid(["".join(row) if is_squares(row) else row for row in value])
    if isinstance(value, str):
        return as_grid(value.split()) or find_grid(parse_json(value), depth - 1)
    return None


def as_grid(rows: list[Any]) -> Grid | None:
    """The rows as a grid if they have only the symbols of a maze; else None."""
    symbols = {WALL, FREE, START, END}
    drawn = bool(rows) and all(isinstance(row, str) and row and symbols.issuperset(row) for row in rows)
    return tuple(rows) if drawn else None


def is_squares(row: Any) -> bool:
    """Whether a row is a list of strings."""
    return isinstance(row, list) and all(isinstance(square, str) for square in row)
