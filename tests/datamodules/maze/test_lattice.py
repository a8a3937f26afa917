"""Random layouts: shape, connectedness, evenness."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from datamodules.maze.lattice import Lattice, lattice, random_openings, random_spanning_tree


def num_components(graph: Lattice, openings: list[int]) -> int:
    """Of the cells, by merging sets."""
    parts = [{cell} for cell in graph.cells]
    for wall in openings:
        joined = [part for part in parts if part & set(graph.walls[wall])]
        parts = [part for part in parts if part not in joined] + [set().union(*joined)]
    return len(parts)


@pytest.mark.parametrize("size", [5, 7, 9, 15])
@pytest.mark.parametrize("loop_rate", [0.0, 0.3, 1.0])
def test_layout_is_connected_with_the_asked_number_of_openings(size: int, loop_rate: float) -> None:
    graph = lattice(size)
    tree = len(graph.cells) - 1
    for seed in range(20):
        openings = random_openings(graph, loop_rate, Random(seed))
        assert len(set(openings)) == tree + round(loop_rate * (len(graph.walls) - tree))
        assert num_components(graph, openings) == 1


@pytest.mark.parametrize("size", [4, 8, 3, 1, 0, -7])
def test_bad_size(size: int) -> None:
    with pytest.raises(ValueError, match=f"size={size} must be odd and at least 5"):
        lattice(size)


def test_trees_are_drawn_evenly() -> None:
    random = Random(0)
    trees = Counter(frozenset(random_spanning_tree(lattice(7), random)) for _ in range(192 * 50))
    assert len(trees) == 192
    chi_square = sum((count - 50) ** 2 / 50 for count in trees.values())
    assert chi_square < 191 + 5 * (2 * 191) ** 0.5


def test_squares() -> None:
    graph = lattice(5)
    assert graph.rows(graph.carve([])) == ("*****", "*.*.*", "*****", "*.*.*", "*****")
    assert graph.rows(graph.carve(list(graph.walls))) == ("*****", "*...*", "*.*.*", "*...*", "*****")
