"""Navigation: shortest ways of a graph library."""

from __future__ import annotations

import re

import networkx

from datamodules.enigmata.tasks.task import Question


def right(question: Question, answer: str) -> bool:
    letters = re.sub(r"[ \t\r\n,;.>\-\"'`\[\]()]", "", answer)
    return letters.upper() in shortest_ways(question)


def shortest_ways(question: Question) -> list[str]:
    """The letters on the way to each of the nearest landmarks of the kind."""
    graph = networkx.Graph()
    for one, other, length in question["roads"]:
        graph.add_edge(one, other, length=length)
    distances = networkx.single_source_dijkstra_path_length(graph, question["start"], weight="length")
    ways = networkx.single_source_dijkstra_path(graph, question["start"], weight="length")
    goals = [landmark for landmark in graph if landmark.startswith(question["goal"] + " ")]
    least = min(distances[goal] for goal in goals)
    return ["".join(landmark[-1] for landmark in ways[goal]) for goal in goals if distances[goal] == least]
