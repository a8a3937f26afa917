"""Slant: the diagonals as a graph, which must be a forest."""

from __future__ import annotations

from collections.abc import Sequence

import networkx

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, letters, number, table


def right(question: Question, answer: str) -> bool:
    size = len(question["corners"]) - 1
    slashes = [[{"/": 1, "\\": -1}.get(sign) for sign in line] for line in letters(answer)]
    for told in (slashes, [[number(word) for word in line] for line in table(answer)]):
        drawing = [[way for way in line if way in (1, -1)] for line in told]
        if [len(line) for line in drawing] == [size] * size and drawing == told:
            return follows_the_rules(question["corners"], drawing)
    return False


def follows_the_rules(corners: list[list[int]], drawing: Sequence[Sequence[int]]) -> bool:
    edges = [ends(r, c, way) for r, row in enumerate(drawing) for c, way in enumerate(row)]
    graph = networkx.MultiGraph(edges)
    graph.add_nodes_from((r, c) for r, row in enumerate(corners) for c in range(len(row)))
    degrees = dict(graph.degree)
    clues = [(degrees[r, c], clue) for r, row in enumerate(corners) for c, clue in enumerate(row)]
    return networkx.is_forest(graph) and all(clue in (-1, degree) for degree, clue in clues)


def ends(r: int, c: int, way: int) -> list[Cell]:
    return [(r, c), (r + 1, c + 1)] if way == -1 else [(r, c + 1), (r + 1, c)]
