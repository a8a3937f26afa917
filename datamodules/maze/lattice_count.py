"""Counts the distinct mazes of a lattice: exactly if that is feasible, else None.

A maze is a layout (a connected choice of open walls) with an ordered pair of cells for S and E.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb

from datamodules.maze.lattice import Lattice, lattice

MAX_SIDE_TREES = 10
"""Cells per side up to which Kirchhoff's determinant is computed (size 21: 5e42 trees)."""
MAX_SIDE_LOOPS = 7
"""Cells per side up to which subgraphs are counted (size 15: 429 states of the frontier).

Above it a maze with loops, if any choice of walls is left, has at least 49 * 64 * 63 forms.
"""
MAX_LAYOUTS = 5000
"""The most choices of open walls that are enumerated, for a minimal distance of S and E."""


@lru_cache
def count_mazes(size: int, loop_rate: float, min_distance: int) -> int | None:
    """The exact number of distinct mazes; None if it is not known.

    Args:
        size: squares per side.
        loop_rate: share of the walls opened beyond those of a spanning tree.
        min_distance: least steps of the shortest path from S to E. Cells are two steps apart, so that up to
            2 any two cells are allowed; above 2 layouts are enumerated, which is feasible for sizes
            5 and 7, and for any size if nearly all walls are open.
    """
    graph = lattice(size)
    openings = graph.num_openings(loop_rate)
    if min_distance > 2:
        feasible = comb(len(graph.walls), openings) <= MAX_LAYOUTS
        return count_far_pairs(graph, openings, min_distance) if feasible else None
    layouts = count_layouts(graph, openings)
    return None if layouts is None else layouts * len(graph.cells) * (len(graph.cells) - 1)


def count_layouts(graph: Lattice, openings: int) -> int | None:
    """The number of connected choices of `openings` open walls; None if the lattice is too large."""
    if openings == len(graph.walls):
        return 1
    if openings == len(graph.cells) - 1:
        return count_spanning_trees(graph) if graph.side <= MAX_SIDE_TREES else None
    return count_connected_subgraphs(graph.side)[openings] if graph.side <= MAX_SIDE_LOOPS else None


def count_spanning_trees(graph: Lattice) -> int:
    """Kirchhoff's theorem: any cofactor of the Laplacian, in exact integers (Bareiss elimination).

    Every leading minor is a positive count of forests, so that no pivot is zero.
    """
    number = {cell: index for index, cell in enumerate(graph.cells)}
    size = len(graph.cells) - 1
    matrix = [[0] * (size + 1) for _ in range(size + 1)]
    for cell, ways in graph.exits.items():
        matrix[number[cell]][number[cell]] = len(ways)
        for _, other in ways:
            matrix[number[cell]][number[other]] = -1
    previous = 1
    for pivot in range(size - 1):
        for row in range(pivot + 1, size):
            for column in range(pivot + 1, size):
                cross = matrix[row][column] * matrix[pivot][pivot] - matrix[row][pivot] * matrix[pivot][column]
                matrix[row][column] = cross // previous  # exact division
        previous = matrix[pivot][pivot]
    return matrix[size - 1][size - 1]


@lru_cache
def count_connected_subgraphs(side: int) -> list[int]:
    """Connected spanning subgraphs of the side x side grid, by their number of edges.  [2 side (side - 1) + 1]

    Cells are added row by row, each with or without its edges up and left. The rest depends only
    on which of the last `side` cells are connected (the frontier), so layouts are counted by
    frontier. The counts by number of edges are the coefficients of a polynomial, which is packed into
    one integer: an edge is a shift by `bits`, enough for any coefficient.
    """
    num_edges = 2 * side * (side - 1)
    bits = num_edges + 1
    states: dict[tuple[int, ...], int] = {(): 1}
    for cell in range(side * side):
        grown: dict[tuple[int, ...], int] = {}
        for frontier, packed in states.items():
            for up in range(1 + (cell >= side)):
                for left in range(1 + (cell % side > 0)):
                    after = _add_cell(frontier, side, up, left)
                    if after is not None:
                        grown[after] = grown.get(after, 0) + (packed << bits * (up + left))
        states = grown
    packed = states[(0,) * side]  # all in one component
    return [packed >> bits * edges & (1 << bits) - 1 for edges in range(num_edges + 1)]


def _add_cell(frontier: tuple[int, ...], side: int, up: int, left: int) -> tuple[int, ...] | None:
    """The frontier after one more cell; None if the cell that leaves it can no longer be connected.

    A frontier has the component of each of its cells, numbered by first appearance.
    """
    labels = [*frontier, -1]
    if up:
        labels[-1] = labels[0]
    if left:
        labels = [labels[-1] if label == labels[-2] else label for label in labels]
    if len(labels) > side:
        leaving = labels.pop(0)
        if leaving not in labels:
            return None
    order: dict[int, int] = {}
    return tuple(order.setdefault(label, len(order)) for label in labels)


def count_far_pairs(graph: Lattice, openings: int, min_distance: int) -> int:
    """The number of mazes whose S and E are at least `min_distance` steps apart, by enumerating all layouts."""
    total = 0
    for opened in combinations(graph.walls, openings):
        distances = [_cell_distances(graph, set(opened), cell) for cell in graph.cells]
        if len(distances[0]) == len(graph.cells):
            total += sum(2 * steps >= min_distance for row in distances for steps in row.values())
    return total


def _cell_distances(graph: Lattice, opened: set[int], source: int) -> dict[int, int]:
    """The number of cells from `source` to each reachable cell; two steps each."""
    found = {source: 0}
    frontier = [source]
    for cell in frontier:
        for wall, other in graph.exits[cell]:
            if wall in opened and other not in found:
                found[other] = found[cell] + 1
                frontier.append(other)
    return found
