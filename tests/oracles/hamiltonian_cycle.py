"""Hamiltonian cycles: a path that returns."""

from __future__ import annotations

import networkx

from datamodules.enigmata.tasks.task import Question
from tests.oracles.hamiltonian_path import falls_apart, route, walked
from tests.oracles.reading import says


def right(question: Question, answer: str) -> bool:
    if says(answer, "NO"):
        return falls_apart(question, spare=0)
    vertices = route(answer)
    closed = len(vertices) > 1 and vertices[0] == vertices[-1]
    graph = networkx.Graph(question["edges"])
    return closed and walked(question, vertices[1:]) and graph.has_edge(vertices[0], vertices[1])
