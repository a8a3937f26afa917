"""Hamiltonian cycles: a path that returns."""

from __future__ import annotations

import networkx

from benchmarks.oracles.hamiltonian_path import falls_apart, route, walked
from benchmarks.oracles.reading import says
from datamodules.puzzles.enigmata.task import Question


def right(question: Question, answer: str) -> bool:
    if says(answer, "NO"):
        return falls_apart(question, spare=0)
    vertices = route(answer)
    closed = len(vertices) > 1 and vertices[0] == vertices[-1]
    graph = networkx.Graph(question["edges"])
    return closed and walked(question, vertices[1:]) and graph.has_edge(vertices[0], vertices[1])
