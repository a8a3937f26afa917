"""Boards of sliding and shifting puzzles. A board is a list of rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from datamodules.enigmata.tasks.answers import bare

Board: TypeAlias = list[list[int]]

GAP = 0
TRIES = 5_000
"""The number of random boards tried for one with the wanted number of inversions."""

_BETWEEN_MOVES = re.compile(r"[\s,;>\[\](){}\"'`-]+")


def flat(board: Sequence[Sequence[int]]) -> list[int]:
    """The tiles, row by row."""
    return [tile for row in board for tile in row]


def in_rows(tiles: Sequence[int], size: int) -> Board:
    """The inverse of `flat`."""
    return [list(tiles[start : start + size]) for start in range(0, size * size, size)]


def text_of(board: Board) -> str:
    """The board as lines, its columns aligned."""
    width = len(str(len(board) ** 2 - 1))
    return "\n".join(" ".join(str(tile).rjust(width) for tile in row) for row in board)


def board_of(record: Mapping[str, Any], size: int, first: int) -> Board | None:
    """The board in the `meta` of a record; None unless it has `size` squared tiles from `first` on, each once."""
    meta = record.get("meta")
    board = meta.get("question") if isinstance(meta, Mapping) else None
    if not isinstance(board, list) or not all(isinstance(row, list) and len(row) == size for row in board):
        return None
    tiles = flat(board)
    if any(type(tile) is not int for tile in tiles) or sorted(tiles) != list(range(first, first + size * size)):
        return None
    return [list(row) for row in board]


def inversions(tiles: Sequence[int]) -> int:
    """Pairs of tiles, without the gap, of which the larger comes first: upstream's measure of difficulty."""
    return sum(a > b for a, b in combinations([tile for tile in tiles if tile != GAP], 2))


def moves_in(text: str) -> list[str]:
    """Upper-case words separated by commas, arrows, brackets, quotes and white space; no final full stop."""
    return [word for word in _BETWEEN_MOVES.split(bare(text).upper()) if word]
