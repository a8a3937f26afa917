"""Enigmata's maze: ways of a graph library."""

from __future__ import annotations

import re
from itertools import pairwise, product

import networkx

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import inner, says

STEP = r"\([ \t]*([1-9][0-9]?)[ \t]*,[ \t]*([1-9][0-9]?)[ \t]*\)"


def right(question: Question, answer: str) -> bool:
    graph, size = open_cells(question["grid"]), len(question["grid"])
    text = inner(re.sub(r"(?i)^\s*the answer is:", "", inner(answer)))
    if says(text, "not exist") or says(text, "not exist the path from start to end"):
        return not networkx.has_path(graph, (0, 0), (size - 1, size - 1))
    way = [(int(r) - 1, int(c) - 1) for r, c in re.findall(STEP, text)]
    if not way or re.search(r"[^\s,;>\-\[\]]", re.sub(STEP, "", text)):
        return False
    return way[0] == (0, 0) and way[-1] == (size - 1, size - 1) and all(graph.has_edge(*step) for step in pairwise(way))


def open_cells(grid: list[str]) -> networkx.Graph:
    graph = networkx.grid_2d_graph(len(grid), len(grid[0]))
    graph.remove_nodes_from([(r, c) for r, c in product(range(len(grid)), range(len(grid[0]))) if grid[r][c] == "B"])
    return graph
