"""Solver and walks against a depth-first enumeration of all simple paths."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from datamodules.maze.board import Board, check_grid

OPEN = ("S..", "...", "..E")
LOOPS = ("*******", "*S....*", "*.*.*.*", "*.....*", "*.***.*", "*....E*", "*******")


def all_simple_paths(grid: tuple[str, ...]) -> list[str]:
    """Every path from S to E that visits no square twice, by brute force on rows and columns."""
    squares = {(r, c): symbol for r, row in enumerate(grid) for c, symbol in enumerate(row)}
    start = next(at for at, symbol in squares.items() if symbol == "S")
    paths: list[str] = []

    def extend(at: tuple[int, int], visited: set[tuple[int, int]], path: str) -> None:
        if squares[at] == "E":
            paths.append(path)
            return
        for letter, (down, right) in {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}.items():
            there = (at[0] + down, at[1] + right)
            if squares.get(there, "*") != "*" and there not in visited:
                extend(there, visited | {there}, path + letter)

    extend(start, {start}, "")
    return paths


@pytest.mark.parametrize("grid", [OPEN, LOOPS, ("SE",), ("S*", ".E")])
def test_shortest_paths_are_those_of_the_enumeration(grid: tuple[str, ...]) -> None:
    paths = all_simple_paths(grid)
    shortest = {path for path in paths if len(path) == min(map(len, paths))}
    board = Board(grid)
    assert board.shortest_path() == min(shortest, key=lambda path: ["UDLR".index(move) for move in path])
    random = Random(0)
    assert {board.random_shortest_path(random) for _ in range(200)} == shortest
    assert all(board.reaches_end(path) for path in paths)


def test_shortest_paths_are_drawn_evenly() -> None:
    random = Random(0)
    counts = Counter(Board(OPEN).random_shortest_path(random) for _ in range(6000))
    assert len(counts) == 6
    assert all(abs(count - 1000) < 150 for count in counts.values())


@pytest.mark.parametrize("path", ["U", "L", "DDD", "RRR", "DDRRR", "RRDDD"])
def test_leaving_the_grid_fails(path: str) -> None:
    assert not Board(OPEN).reaches_end(path)


def test_out_of_reach() -> None:
    assert Board(("S*E",)).shortest_path() is None


def test_draw_marks_the_walk_and_its_collision() -> None:
    board = Board(("S.*", "..E"))
    assert board.draw(board.walk("DRR")) == "S.*\nooE"
    assert board.draw(board.walk("RRR")) == "Sox\n..E"
    assert board.draw(board.walk("U")) == "S.*\n..E"


@pytest.mark.parametrize("grid", [(), ("",), ("S.", "E"), ("SE", "x."), ("S.", ".."), ("SE", ".E"), ("SS", ".E")])
def test_bad_grids(grid: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="the maze"):
        check_grid(grid)
