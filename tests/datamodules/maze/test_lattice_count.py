"""Counts against brute force: every subset of the internal walls."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from datamodules.maze.lattice import lattice
from datamodules.maze.lattice_count import (
    count_connected_subgraphs,
    count_far_pairs,
    count_layouts,
    count_mazes,
    count_spanning_trees,
)


def cell_distances(side: int, edges: tuple[tuple[int, int], ...]) -> list[list[float]]:
    """Floyd and Warshall, which shares nothing with the search under test."""
    cells = range(side * side)
    far = float("inf")
    distance = [[0 if a == b else far for b in cells] for a in cells]
    for a, b in edges:
        distance[a][b] = distance[b][a] = 1
    for via, a, b in product(cells, repeat=3):
        distance[a][b] = min(distance[a][b], distance[a][via] + distance[via][b])
    return distance


def brute_force(side: int, openings: int, min_distance: int) -> tuple[int, int]:
    """Connected layouts, and mazes with S and E far enough apart."""
    across = [(cell, cell + 1) for cell in range(side * side) if cell % side < side - 1]
    down = [(cell, cell + side) for cell in range(side * (side - 1))]
    layouts = mazes = 0
    for edges in combinations(across + down, openings):
        distance = cell_distances(side, edges)
        if max(distance[0]) < float("inf"):
            layouts += 1
            mazes += sum(2 * d >= min_distance and d > 0 for row in distance for d in row)
    return layouts, mazes


@pytest.mark.parametrize(("size", "openings"), [(5, 3), (5, 4), (7, 8), (7, 10), (7, 11), (7, 12)])
@pytest.mark.parametrize("min_distance", [1, 4, 7])
def test_counts_equal_brute_force(size: int, openings: int, min_distance: int) -> None:
    layouts, mazes = brute_force(size // 2, openings, min_distance)
    assert count_layouts(lattice(size), openings) == layouts
    assert count_far_pairs(lattice(size), openings, max(min_distance, 2)) == mazes


def test_known_numbers() -> None:
    """Spanning trees of square grids, OEIS A007341."""
    assert [count_spanning_trees(lattice(size)) for size in (5, 7, 9, 11)] == [4, 192, 100352, 557568000]
    assert count_mazes(7, 0.0, 1) == 192 * 9 * 8 == 13824


@pytest.mark.parametrize("side", [2, 3, 4, 5])
def test_the_frontier_agrees_with_kirchhoff(side: int) -> None:
    counts = count_connected_subgraphs(side)
    assert counts[side * side - 1] == count_spanning_trees(lattice(2 * side + 1))
    assert sum(counts[: side * side - 1]) == 0
    assert counts[-1] == 1
    assert counts[-2] == len(counts) - 1  # no wall is the only way anywhere


def test_what_is_not_counted_is_none() -> None:
    assert count_mazes(17, 0.5, 1) is None
    assert count_mazes(23, 0.0, 1) is None
    assert count_mazes(9, 0.0, 6) is None
    assert count_mazes(31, 1.0, 1) == 225 * 224  # a single layout
    assert count_mazes(9, 1.0, 12) == 4  # both diagonals, both ways
