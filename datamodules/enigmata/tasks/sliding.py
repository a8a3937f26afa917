"""Sliding puzzles: exchange the gap of a square board with its neighbors until the tiles are in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from heapq import heappop, heappush
from math import isqrt
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import said
from datamodules.enigmata.tasks.boards import (
    GAP,
    TRIES,
    Board,
    board_of,
    flat,
    in_rows,
    inversions,
    moves_in,
    text_of,
)
from datamodules.enigmata.tasks.task import Question, Task

ANY = -1
"""Stands for any tile whose number does not matter in the search."""

_NAMES = {"LEFT": "L", "RIGHT": "R", "UP": "U", "DOWN": "D"}
_OPPOSITE = str.maketrans("LRUD", "RLDU")


class Sliding(Task):
    """A question is `{"board": rows}` with 0 for the gap; a letter is the direction in which the gap moves.

    A question of an upstream record has `"either": True`: its prompt describes moves of tiles, its verifier moves the
    gap. The letters may then mean either, but all the same.

    Attributes:
        size: tiles per side.
        stages: numbers of rows that the reference answer orders in each stage.
        astar_weight: weight of the heuristic in A*: 1 finds the shortest moves of each stage, more finds longer ones
            faster.
    """

    size: ClassVar[int]
    stages: ClassVar[tuple[int, ...]]
    astar_weight: ClassVar[int]
    impossible: ClassVar[str] = "No feasible move path exists."

    def draw(self, random: Random, least: int, most: int, unsolvable: float) -> tuple[Question, str] | None:
        """A random board with `least` to `most` inversions, with probability `unsolvable` an unsolvable one."""
        tiles, wanted = list(range(self.size**2)), random.random() >= unsolvable
        for _ in range(TRIES):
            random.shuffle(tiles)
            board = in_rows(tiles, self.size)
            if least <= inversions(tiles) <= most and can_be_slid(board) == wanted and tiles != ordered(self.size):
                return {"board": board}, slides(board, self.stages, self.astar_weight) if wanted else self.impossible
        return None

    def ask(self, question: Question) -> str:
        size = self.size
        return (
            f"A sliding puzzle of {size * size - 1} tiles on a {size} x {size} board; 0 is the gap:\n\n"
            f"{text_of(question['board'])}\n\nA move swaps the gap with a neighboring tile. Write it as the direction "
            f"in which the gap goes: L (left), R (right), U (up) or D (down). The gap never leaves the board. Reach "
            f"this order, in any number of moves:\n\n{text_of(in_rows(ordered(size), size))}\n\nGive the letters in a "
            f"fenced code block, one after the other, such as `LURD`. If no moves lead to this order, write "
            f"`{self.impossible}` in a fenced code block."
        )

    def judge(self, question: Question, answer: str) -> bool:
        board = question["board"]
        if said(answer, self.impossible):
            return not can_be_slid(board)
        letters = "".join(_NAMES.get(word, word) for word in moves_in(answer))
        if set(letters) - set("LRUD"):
            return False
        return slid(board, letters) or ("either" in question and slid(board, letters.translate(_OPPOSITE)))

    def canonical(self, question: Question) -> Any:
        return question["board"]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["board"], "language": "en"}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        """The board again, as in upstream's records, unless it is unsolvable."""
        return question["board"] if can_be_slid(question["board"]) else self.impossible

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        board = board_of(record, self.size, GAP)
        return None if board is None else {"board": board, "either": True}


def ordered(size: int) -> list[int]:
    """The goal of a sliding puzzle: the tiles from 1 on, and the gap."""
    return [*range(1, size * size), GAP]


def can_be_slid(board: Board) -> bool:
    """Whether moves of the gap can order the tiles.

    A move along a row keeps the inversions, one along a column of n rows changes them by an odd number
    if n is even and by an even one if n is odd. So the parity of their number plus (n + 1) times the rows below
    the gap is always that of the goal; and every such board is reachable.
    """
    size, tiles = len(board), flat(board)
    return (inversions(tiles) + (size - 1 - tiles.index(GAP) // size) * (size + 1)) % 2 == 0


@cache
def ways(size: int) -> list[dict[str, int]]:
    """For every cell, the cell to which the gap moves by each letter."""
    steps = {"L": -1, "R": 1, "U": -size, "D": size}
    cells: list[dict[str, int]] = []
    for cell in range(size * size):
        row, column = divmod(cell, size)
        inside = {"L": column > 0, "R": column < size - 1, "U": row > 0, "D": row < size - 1}
        cells.append({letter: cell + step for letter, step in steps.items() if inside[letter]})
    return cells


def slid(board: Board, letters: str) -> bool:
    """Whether these moves of the gap stay on the board and order the tiles."""
    return after_moves(flat(board), letters) == ordered(len(board))


def after_moves(tiles: list[int], letters: str) -> list[int] | None:
    """The tiles after these moves of the gap; None if one leaves the board."""
    tiles, gap, cells = list(tiles), tiles.index(GAP), ways(isqrt(len(tiles)))
    for letter in letters:
        other = cells[gap].get(letter)
        if other is None:
            return None
        tiles[gap], tiles[other], gap = tiles[other], GAP, other
    return tiles


def slides(board: Board, stages: Sequence[int], astar_weight: int) -> str:
    """Moves that order a solvable board, in stages of rows from the top."""
    size, letters, done = len(board), "", 0
    for rows in stages:
        tiles = after_moves(flat(board), letters)
        assert tiles is not None
        letters += row_slides(tiles, size, done, done + rows, astar_weight)
        done += rows
    return letters


def row_slides(tiles: list[int], size: int, done: int, rows: int, astar_weight: int) -> str:
    """Moves that order the first `rows` rows, of which `done` are already in order: A* with Manhattan distance.

    Tiles that belong further down are not distinguished.
    """
    wanted, far, cells = ordered(size)[done * size : rows * size], taxicab(size), ways(size)
    start = tuple(tile if tile in wanted or tile == GAP else ANY for tile in tiles)
    left = sum(far[tile][cell] for cell, tile in enumerate(start))
    state, came, costs, queue = start, {start: ""}, {start: 0}, [(astar_weight * left, 0, left, start)]
    while left:
        _, cost, left, state = heappop(queue)
        if cost > costs[state]:
            continue
        gap = state.index(GAP)
        for letter, other in cells[gap].items():
            after, tile = swapped(state, gap, other), state[other]
            if other >= done * size and cost + 1 < costs.get(after, cost + 2):
                came[after], costs[after] = letter, cost + 1
                rest = left + far[tile][gap] - far[tile][other]
                heappush(queue, (cost + 1 + astar_weight * rest, cost + 1, rest, after))
    return retraced(came, state, size)


def retraced(came: dict[tuple[int, ...], str], state: tuple[int, ...], size: int) -> str:
    """The letters of the path to this state, from the last letter of each state."""
    letters = ""
    while letter := came[state]:
        gap = state.index(GAP)
        state = swapped(state, gap, ways(size)[gap][letter.translate(_OPPOSITE)])
        letters = letter + letters
    return letters


def swapped(tiles: tuple[int, ...], gap: int, other: int) -> tuple[int, ...]:
    """The tiles after the gap has moved to another cell."""
    low, high = (gap, other) if gap < other else (other, gap)
    return (*tiles[:low], tiles[high], *tiles[low + 1 : high], tiles[low], *tiles[high + 1 :])


@cache
def taxicab(size: int) -> list[list[int]]:
    """Manhattan distance of every tile from its goal, at every cell; 0 for the gap and for ANY (the last one)."""
    home = {tile: divmod(cell, size) for cell, tile in enumerate(ordered(size))}
    cells = [divmod(cell, size) for cell in range(size * size)]
    tiles = ([abs(row - home[tile][0]) + abs(col - home[tile][1]) for row, col in cells] for tile in range(1, size**2))
    nowhere = [0] * len(cells)
    return [nowhere, *tiles, nowhere]
