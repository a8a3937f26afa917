"""Reads mazes in verl's columns: data_source, prompt (a list of chat messages), ability, reward_model, extra_info.

Which inner key of reward_model holds the maze is not certain, so several are tried.
"""

from __future__ import annotations

from typing import Any

from datamodules.maze.board import END, FREE, START, WALL, Grid
from datamodules.sources import parse_json

GRID_KEYS = ("reward_model", "ground_truth", "maze", "grid", "puzzle", "question", "extra_info")
"""Where the maze may be, tried in this order at every level; reward_model and extra_info are columns of the row."""

MAX_DEPTH = 6


def find_grid(value: Any, depth: int = MAX_DEPTH) -> Grid | None:
    """The first maze inside a value: text of lines, a list of rows, a list of lists of squares, or JSON of these.

    Objects are searched by the keys of `GRID_KEYS`, in that order; anything else is passed over.
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
    """The rows where they hold nothing but the symbols of a maze; None otherwise."""
    symbols = {WALL, FREE, START, END}
    drawn = bool(rows) and all(isinstance(row, str) and row and symbols.issuperset(row) for row in rows)
    return tuple(rows) if drawn else None


def is_squares(row: Any) -> bool:
    """Whether a row is a list of strings."""
    return isinstance(row, list) and all(isinstance(square, str) for square in row)
