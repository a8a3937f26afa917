"""Lattices: the graph under a maze of odd size, its random spanning trees, and how many mazes it has room for.

A lattice maze of size n has its cells on the odd coordinates, (n - 1) / 2 a side; an internal wall stands between
each two neighbouring cells, and pillars and the border are always wall (the maze in the paper's appendix is one).
Squares are numbered row by row, r * n + c. Opening a wall draws an edge between two cells, so that a maze without
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
    """The graph of a size.

    Attributes:
        size: squares a side.
        cells: the squares of the cells.
        walls: the squares of the internal walls, each with the two cells it parts.
        exits: of each cell, the (wall, neighbouring cell) pairs.
    """

    size: int
    cells: tuple[int, ...]
    walls: dict[int, tuple[int, int]]
    exits: dict[int, tuple[tuple[int, int], ...]]

    @property
    def side(self) -> int:
        """Cells a side."""
        return self.size // 2

    def num_openings(self, loop_rate: float) -> int:
        """Walls open in a maze: those of a tree and the given share of the rest."""
        tree = len(self.cells) - 1
        return tree + round(loop_rate * (len(self.walls) - tree))

    def carve(self, openings: Collection[int]) -> list[str]:
        """The squares of the maze with these walls open, start and end not yet set.  [size * size]"""
        squares = [WALL] * (self.size * self.size)
        for square in (*self.cells, *openings):
            squares[square] = FREE
        return squares

    def rows(self, squares: list[str]) -> Grid:
        """Squares as rows."""
        text = "".join(squares)
        return tuple(text[row : row + self.size] for row in range(0, len(text), self.size))


@lru_cache
def lattice(size: int) -> Lattice:
    """The lattice of `size` squares a side; ValueError unless the size is odd and at least 5."""
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
    """A spanning tree, each with the same chance, as the list of its walls opened.

    Wilson's algorithm (1996): from each cell walk at random into the tree, then keep the last exit
    taken from each cell on the way, which leaves the walk without its loops. The even chance matters
    where nearly all mazes of a small size are asked for.
    """
    joined = {graph.cells[len(graph.cells) // 2]}  # the middle is found soonest
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
