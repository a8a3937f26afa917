"""Hamiltonian paths against all subsets of small graphs."""

from __future__ import annotations

from random import Random

import pytest

from datamodules.enigmata.tasks.hamiltonian_path import TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.datamodules.enigmata.tasks.test_hamiltonian_cycle import ends

BOW_TIE = {"vertices": 5, "edges": [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [3, 4]], "exists": True}
STAR = {"vertices": 4, "edges": [[0, 1], [0, 2], [0, 3]], "exists": False}


@pytest.mark.parametrize("size", [7, 8, 9])
def test_there_is_one_exactly_where_it_says_so(size: int) -> None:
    found = {True: 0, False: 0}
    for seed in range(10):
        question, _ = TASK.draw(Random(f"{size}/{seed}"), size, size, 0.1)
        one = any(ends(size, question["edges"], start) for start in range(size))
        assert one == question["exists"]
        found[one] += 1
    assert min(found.values()) > 0


@pytest.mark.parametrize("answer", ["[1, 2, 0, 3, 4]", "[4,3,0,2,1]", "2 -> 1 -> 0 -> 4 -> 3", "2 1 0 3 4"])
def test_every_path_of_a_bow_tie(answer: str) -> None:
    assert TASK.judge(BOW_TIE, answer)


@pytest.mark.parametrize("answer", ["[0, 1, 2, 3, 4]", "[1, 2, 0, 3]", "[1, 2, 0, 3, 4, 0]", "[2, 1, 0, 3, 5]", "NO"])
def test_no_path_of_a_bow_tie(answer: str) -> None:
    assert not TASK.judge(BOW_TIE, answer)


def test_none() -> None:
    assert all(TASK.judge(STAR, answer) for answer in ("NO", "no", "'NO'"))
    assert not any(TASK.judge(STAR, answer) for answer in ("[1, 0, 2, 3]", "NONE", "[]"))


def test_levels_differ() -> None:
    edges = [len(problem.question["edges"]) for problem in draws(TASK, 20)]
    assert sum(edges[:20]) * 2 < sum(edges[20:40]) < sum(edges[40:]) / 1.5


def test_upstream_record() -> None:
    for problem in draws(TASK, 5):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question


def test_upstream_lists_loops_and_both_directions() -> None:
    record = {"meta": {"question": "4\n0 1\n1 0\n0 0\n2 0\n3 0"}, "answer": "NO"}
    assert TASK.question_of(record) == STAR
