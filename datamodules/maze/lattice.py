"""Lattices: the graph of a maze of odd size, and its random spanning trees.

A lattice maze of size n has its cells on the odd coordinates, (n - 1) / 2 per side; an internal wall is between
each two neighbouring cells, and pillars and the border are always wall (the maze in the paper's appendix is one).
Squares are numbered row by row, r * n + c. Opening a wall adds an edge between two cells, so that a maze without
loops is a spanning tree, and any maze a connected spanning subgraph.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from datamodules.maze.board import FREE, WALL, Grid

MIN_SIZE = 5


@dataclass(frozen=True)
class Lattice:
    """The graph of a maze size.

    Attributes:
        size: squares per side.
        cells: the squares of the cells.
        walls: the squares of the internal walls, each with the two cells that it separates.
        exits: for each cell, the (wall, neighbouring cell) pairs.
    """

    size: int
    cells: tuple[int, ...]
    walls: dict[int, tuple[int, int]]
    exits: dict[int, tuple[tuple[int, int], ...]]

    @property
    def side(self) -> int:
        """Cells per side."""
        return self.size // 2

    def num_openings(self, loop_rate: float) -> int:
        """The number of open walls of a maze: those of a tree and the given share of the others."""
        tree = len(self.cells) - 1
        return tree + round(loop_rate * (len(self.walls) - tree))

    def carve(self, openings: Collection[int]) -> list[str]:
        """The squares of the maze with these walls open, without start and end.  [size * size]"""
        squares = [WALL] * (self.size * self.size)
        for square in (*self.cells, *openings):
            squares[square] = FREE
        return squares

    def rows(self, squares: list[str]) -> Grid:
        """Split the squares into rows."""
        text = "".join(squares)
        return tuple(text[row : row + self.size] for row in range(0, len(text), self.size))


@lru_cache
def lattice(size: int) -> Lattice:
    """The lattice of `size` squares per side; ValueError unless the size is odd and at least 5."""
    if size < MIN_SIZE or size % 2 == 0:
        raise ValueError(f"size={size} must be odd and at least {MIN_SIZE}")
    cells = tuple(row * size + column for row in range(1, size, 2) for column in range(1, size, 2))
    walls: dict[int, tuple[int, int]] = {}
    for cell in cells:
        if cell % size < size - 2:
            walls[cell + 1] = (cell, cell + 2)
        if cell // size < size - 2:
            walls[cell + size] = (cell, cell + 2 * size)
    exits: dict[int, list[tuple[int, int]]] = {cell: [] for cell in cells}
    for wall, (one, other) in walls.items():
        exits[one].append((wall, other))
        exits[other].append((wall, one))
    return Lattice(size, cells, walls, {cell: tuple(ways) for cell, ways in exits.items()})


def random_openings(graph: Lattice, loop_rate: float, random: Random) -> list[int]:
    """The open walls of a random maze: a spanning tree, and a random `loop_rate` share of the other walls."""
    openings = random_spanning_tree(graph, random)
    opened = set(openings)
    closed = [wall for wall in graph.walls if wall not in opened]
    return openings + random.sample(closed, graph.num_openings(loop_rate) - len(openings))


def random_spanning_tree(graph: Lattice, random: Random) -> list[int]:
    """A spanning tree, all with equal probability, as the list of its open walls.

    Wilson's algorithm (1996): from each cell a random walk goes to the tree; only the last exit
    from each cell on the way is kept, which removes the walk's loops. Equal probability matters
    if nearly all mazes of a small size are needed.
    """
    joined = {graph.cells[len(graph.cells) // 2]}  # walks reach the middle soonest
    openings: list[int] = []
    draw = random.random
    for cell in graph.cells:
        last_exit: dict[int, tuple[int, int]] = {}
        here = cell
        while here not in joined:
            exits = graph.exits[here]
            last_exit[here] = way = exits[int(draw() * len(exits))]
            here = way[1]
        here = cell
        while here not in joined:
            joined.add(here)
            wall, here = last_exit[here]
            openings.append(wall)
    return openings
