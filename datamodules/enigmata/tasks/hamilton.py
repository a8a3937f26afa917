"""Hamiltonian cycles and paths: graphs with one, and graphs that provably have none.

Removing k vertices splits a Hamiltonian cycle into at most k pieces (one if k = 0), a path into k + 1.
A graph that splits into more has none; unsolvable graphs are generated so, without a search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import integer, integers, said
from datamodules.enigmata.tasks.task import Levels, Question, Task

NONE = "NO"
MOST_VERTICES = 1000
"""The most vertices of a record."""


class Hamiltonian(Task):
    """A question is `{"vertices": number, "edges": [[u, v], ...] with u < v, "exists": bool}`.

    Attributes:
        closed: whether the route returns to its start.
        route: the name of the route in prompts.
    """

    closed: ClassVar[bool]
    route: ClassVar[str]
    levels: ClassVar[Levels] = {
        "easy": ({"least": 10, "most": 15, "density": 0.2},),
        "medium": ({"least": 15, "most": 20, "density": 0.3},),
        "hard": ({"least": 20, "most": 25, "density": 0.4},),
    }

    def draw(self, random: Random, least: int, most: int, density: float) -> tuple[Question, str]:
        """A graph of `least` to `most` vertices with about this share of all edges; half of the graphs have a route."""
        vertices = random.sample(range(number := random.randint(least, most)), number)
        wanted = max(int(density * number * (number - 1) / 2), number + 2) + (0 if self.closed else number // 2)
        exists = random.random() < 0.5
        if exists:
            tour = [*vertices, vertices[0]] if self.closed else vertices
            backbone, allowed = list(pairwise(tour)), list(combinations(vertices, 2))
        else:
            tour, (backbone, allowed) = [], self._without(random, vertices, wanted)
        edges = list(dict.fromkeys(ordered(edge) for edge in backbone))
        others = [edge for edge in map(ordered, allowed) if edge not in edges]
        edges += random.sample(others, wanted - len(edges))
        question = {"vertices": number, "edges": [list(edge) for edge in sorted(edges)], "exists": exists}
        return question, str(tour) if exists else NONE

    def _without(self, random: Random, vertices: list[int], wanted: int) -> tuple[list[tuple[int, int]], ...]:
        """The first edges, and all allowed ones, of a graph in which removing some vertices leaves too many pieces."""
        while True:
            number = random.randint(0, min(3, len(vertices) // 4))
            gates, rest = vertices[:number], vertices[number:]
            pieces = list(split(random, rest, max(2, number + 1) if self.closed else number + 2))
            backbone = [edge for piece in pieces for edge in ring(random, piece, gates)]
            allowed = [edge for piece in pieces for edge in combinations([*gates, *piece], 2)]
            if len({*map(ordered, allowed)}) >= wanted:
                return backbone, list(dict.fromkeys(map(ordered, allowed)))

    def ask(self, question: Question) -> str:
        number, edges = question["vertices"], question["edges"]
        listed = ", ".join(f"{u}-{v}" for u, v in edges)
        ends = " and then returns to the vertex it began with" if self.closed else ""
        example = "`[0, 2, 1, 0]`, the first vertex again at the end" if self.closed else "`[0, 2, 1]`"
        return (
            f"An undirected graph has the vertices 0 to {number - 1} and these {len(edges)} edges:\n\n{listed}\n\n"
            f"Find a Hamiltonian {self.route}: a route along edges that visits every vertex exactly once{ends}. There "
            f"may be none.\n\nGive the vertices in order in a fenced code block, as a list in brackets (such as "
            f"{example}, for a graph of three), or `{NONE}` in a fenced code block if no such {self.route} exists."
        )

    def judge(self, question: Question, answer: str) -> bool:
        if said(answer, NONE):
            return not question["exists"]
        route, number = integers(answer.replace("->", " ")), question["vertices"]
        if route is None or len(route) != number + self.closed or (self.closed and route[0] != route[-1]):
            return False
        edges = {(u, v) for u, v in question["edges"]}
        return len({*route}) == number and all(ordered(step) in edges for step in pairwise(route))

    def canonical(self, question: Question) -> Any:
        return [question["vertices"], sorted(sorted(edge) for edge in question["edges"])]

    def meta(self, question: Question) -> dict[str, Any]:
        lines = [str(question["vertices"]), *(f"{u} {v}" for u, v in question["edges"])]
        return {"question": "\n".join(lines)}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return integers(answer) if question["exists"] else NONE

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """Upstream's paths list some edges in both directions, and loops, which no route can use."""
        meta, answer = record.get("meta"), record.get("answer")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        if not isinstance(text, str) or not (answer == NONE or isinstance(answer, list)):
            return None
        first, *lines = [line for line in text.splitlines() if line.strip()] or [""]
        number, edges = integer(first), [integers(line) for line in lines]
        if number is None or not 0 < number <= MOST_VERTICES:
            return None
        if any(edge is None or len(edge) != 2 or not all(0 <= end < number for end in edge) for edge in edges):
            return None
        proper = sorted({ordered((edge[0], edge[1])) for edge in edges if edge is not None and edge[0] != edge[1]})
        return {"vertices": number, "edges": [list(edge) for edge in proper], "exists": answer != NONE}


def ordered(edge: tuple[int, int]) -> tuple[int, int]:
    """The edge with its smaller end first."""
    u, v = edge
    return (u, v) if u < v else (v, u)


def split(random: Random, items: list[int], number: int) -> Iterator[list[int]]:
    """`number` consecutive pieces of random lengths, of at least one item each."""
    bounds = [0, *sorted(random.sample(range(1, len(items)), number - 1)), len(items)]
    return (items[first:last] for first, last in pairwise(bounds))


def ring(random: Random, piece: list[int], gates: list[int]) -> list[tuple[int, int]]:
    """A path through the piece, with ends connected to gates (two if there are as many), or to each other."""
    if gates:
        first, last = random.sample(gates, 2) if len(gates) > 1 else gates * 2
        return [*pairwise(piece), (first, piece[0]), (piece[-1], last)]
    return [*pairwise(piece), *([(piece[-1], piece[0])] if len(piece) > 2 else [])]
