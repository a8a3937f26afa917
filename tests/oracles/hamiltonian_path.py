"""Hamiltonian paths and cycles: the route walked; that there is none, proved by the pieces that vertices leave."""

from __future__ import annotations

from itertools import combinations, pairwise

import networkx

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import number, says, words


def right(question: Question, answer: str) -> bool:
    if says(answer, "NO"):
        return falls_apart(question, spare=1)
    return walked(question, route(answer))


def route(answer: str) -> list[int | None]:
    return [number(word) for word in words(answer.replace("->", " "))]


def walked(question: Question, vertices: list[int | None]) -> bool:
    """Whether a path of edges comes through all vertices once."""
    graph = networkx.Graph(question["edges"])
    everywhere = set(vertices) == set(range(question["vertices"])) and len(vertices) == question["vertices"]
    return everywhere and all(graph.has_edge(*step) for step in pairwise(vertices))


def falls_apart(question: Question, spare: int) -> bool:
    """Whether some set of at most three vertices leaves more pieces than it has vertices, and so many to spare.

    A closed route that loses k vertices is at most k paths, an open one k + 1: then there is none. That no set does
    it proves nothing, but the questions are drawn so that one does.
    """
    graph = networkx.Graph(question["edges"])
    graph.add_nodes_from(range(question["vertices"]))
    for size in range(4):
        for gates in combinations(graph, size):
            left = graph.subgraph(set(graph) - set(gates))
            if networkx.number_connected_components(left) > max(size + spare, 1):
                return True
    return False
