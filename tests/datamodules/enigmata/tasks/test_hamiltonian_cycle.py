"""Hamiltonian cycles against all subsets of small graphs."""

from __future__ import annotations

from random import Random

import pytest

from datamodules.enigmata.tasks.hamiltonian_cycle import TASK
from datamodules.enigmata.tasks.task import Question
from tests.datamodules.enigmata.tasks.contract import draws

SQUARE = {"vertices": 4, "edges": [[0, 1], [0, 3], [1, 2], [2, 3]], "exists": True}
BOW_TIE = {"vertices": 5, "edges": [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [3, 4]], "exists": False}


def ends(vertices: int, edges: list[list[int]], start: int) -> set[int]:
    """Where paths through all vertices that begin at `start` can end: by all subsets, smallest first."""
    reached: dict[int, set[int]] = {1 << start: {start}}
    for visited in range(1 << vertices):
        for here in reached.get(visited, set()):
            for u, v in edges:
                there = v if u == here else u
                if here in (u, v) and not visited >> there & 1:
                    reached.setdefault(visited | 1 << there, set()).add(there)
    return reached.get((1 << vertices) - 1, set())


def has_cycle(question: Question) -> bool:
    edges = question["edges"]
    return any([0, end] in edges for end in ends(question["vertices"], edges, 0))


@pytest.mark.parametrize("size", [6, 7, 8, 9])
def test_there_is_one_exactly_where_it_says_so(size: int) -> None:
    found = {True: 0, False: 0}
    for seed in range(15):
        question, _ = TASK.draw(Random(f"{size}/{seed}"), size, size, 0.3)
        assert has_cycle(question) == question["exists"]
        found[question["exists"]] += 1
    assert min(found.values()) > 0


@pytest.mark.parametrize("answer", ["[0, 1, 2, 3, 0]", "[2,1,0,3,2]", "0 -> 3 -> 2 -> 1 -> 0", "3 2 1 0 3"])
def test_every_cycle_of_a_square(answer: str) -> None:
    assert TASK.judge(SQUARE, answer)


@pytest.mark.parametrize(
    "answer", ["[0, 1, 2, 3]", "[0, 1, 2, 3, 1]", "[0, 2, 1, 3, 0]", "[0, 1, 0, 3, 0]", "[0, 1, 2, -1, 0]", "NO", "[]"]
)
def test_no_cycle_of_a_square(answer: str) -> None:
    assert not TASK.judge(SQUARE, answer)


def test_none() -> None:
    assert all(TASK.judge(BOW_TIE, answer) for answer in ("NO", "no", '"NO"', "NO."))
    assert not any(TASK.judge(BOW_TIE, answer) for answer in ("[1, 2, 0, 3, 4, 0, 1]", "YES", "NO [0]", "[NO]"))


def test_levels_differ() -> None:
    sizes = [(problem.question["vertices"], len(problem.question["edges"])) for problem in draws(TASK, 20)]
    means = [[sum(column) / 20 for column in zip(*sizes[i : i + 20], strict=True)] for i in (0, 20, 40)]
    assert means[0] < means[1] < means[2]
    assert means[0][1] * 2 < means[1][1] < means[2][1] / 1.5


def test_upstream_record() -> None:
    for problem in draws(TASK, 5):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        again = TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer})
        assert again == problem.question


@pytest.mark.parametrize("text", ["", "x", "4\n0 1 2", "4\n0 4", "4\n0 -1", "9999999\n0 1", None, 5])
def test_unreadable_record(text: object) -> None:
    assert TASK.question_of({"meta": {"question": text}, "answer": "NO"}) is None
    assert TASK.question_of({"meta": text}) is None
