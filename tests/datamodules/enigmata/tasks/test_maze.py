"""Enigmata's maze against a graph library."""

from __future__ import annotations

from random import Random

import networkx
import pytest

from datamodules.enigmata.tasks.maze import TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.maze import open_cells

OPEN = {"grid": ["S..", ".B.", "..E"]}
SHUT = {"grid": ["S.B", ".B.", "B.E"]}


@pytest.mark.parametrize("size", [2, 3, 4, 6])
def test_there_is_a_way_exactly_where_it_says_so(size: int) -> None:
    for seed in range(40):
        question, answer = TASK.draw(Random(f"{size}/{seed}"), size, 30, 60)
        graph = open_cells(question["grid"])
        corners = (0, 0), (size - 1, size - 1)
        assert networkx.has_path(graph, *corners) == (answer != "not exist")
        if answer != "not exist":
            assert answer.count("(") == 1 + networkx.shortest_path_length(graph, *corners)


def test_half_have_a_way() -> None:
    problems = draws(TASK, 60)
    assert all(20 <= sum("->" in p.answer for p in problems[start : start + 60]) <= 40 for start in (0, 60, 120))


@pytest.mark.parametrize(
    "answer",
    [
        "(1,1)->(1,2)->(1,3)->(2,3)->(3,3)",
        "(1, 1) -> (2, 1) -> (3, 1) -> (3, 2) -> (3, 3)",
        "(1,1),(2,1),(1,1),(2,1),(3,1),(3,2),(3,3)",
        "[(1,1), (2,1), (3,1), (3,2), (3,3)]",
        "The answer is: (1,1)->(1,2)->(1,3)->(2,3)->(3,3)",
        "(1,1)\n(2,1)\n(3,1)\n(3,2)\n(3,3)",
    ],
)
def test_every_way(answer: str) -> None:
    assert TASK.judge(OPEN, answer)
    assert not TASK.judge(SHUT, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "(1,1)->(3,3)",
        "(1,1)->(1,2)->(2,2)->(3,2)->(3,3)",
        "(1,2)->(1,3)->(2,3)->(3,3)",
        "(1,1)->(1,2)->(1,3)->(2,3)",
        "(1,1)->(1,2)->(1,3)->(1,4)->(2,4)->(3,4)->(3,3)",
        "(1,1)->(0,1)->(1,1)->(1,2)->(1,3)->(2,3)->(3,3)",
        "(1,1)->(1,2)->(1,3) or so ->(2,3)->(3,3)",
        "(1,1)->(1,2)->(1,3)->(2,3)->(3,3) or not exist",
        "not exist",
        "",
    ],
)
def test_no_way(answer: str) -> None:
    assert not TASK.judge(OPEN, answer)


def test_none() -> None:
    assert all(TASK.judge(SHUT, text) for text in ("not exist", "Not exist.", "not exist the path from start to end."))
    assert not TASK.judge(SHUT, "exist")


def test_levels_differ() -> None:
    walls = [sum(row.count("B") for row in problem.question["grid"]) for problem in draws(TASK, 40)]
    assert sum(walls[:40]) < sum(walls[40:80]) < sum(walls[80:])


def test_upstream_record() -> None:
    for problem in draws(TASK, 5):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question
        assert TASK.judge(problem.question, answer)


@pytest.mark.parametrize("rows", [None, [], "S.E", [["S"]], [["S", "."], ["E"]], [["S", "x", "E"]], [["S", [], "E"]]])
def test_unreadable_record(rows: object) -> None:
    assert TASK.question_of({"meta": {"question": rows}}) is None
