"""Navigation against a graph library and its shortest paths."""

from __future__ import annotations

from random import Random

import pytest

from datamodules.enigmata.tasks.natural_language_navigation import TASK
from datamodules.enigmata.tasks.task import Question
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.natural_language_navigation import shortest_ways

TOWN: Question = {
    "start": "bank A",
    "goal": "store",
    "roads": [["house C", "store D", 100], ["bank A", "house C", 100], ["bank A", "store B", 200]],
}
"""Two stores, each 200 meters away."""


def test_one_answer_and_it_is_the_shortest() -> None:
    for problem in draws(TASK, 30):
        question = problem.question
        assert shortest_ways(question) == [problem.answer]
        assert len({landmark for road in question["roads"] for landmark in road[:2]}) == len(question["roads"]) + 1
        assert all(f"{one} to {other} it is {length}" in problem.prompt for one, other, length in question["roads"])


@pytest.mark.parametrize("answer", ["AB", "ACD", "A, C, D", "a->b", '"AB"', "[A, C, D]", "A\nB"])
def test_every_nearest_one_in_common_spellings(answer: str) -> None:
    assert TASK.judge(TOWN, answer)


@pytest.mark.parametrize("answer", ["B", "AC", "AD", "ABC", "A B C D", "A+B", "AB1", "\uff21\uff22", "", "A" * 10000])
def test_no_way(answer: str) -> None:
    assert not TASK.judge(TOWN, answer)


def test_levels_are_lengths_of_the_way() -> None:
    lengths = [len(problem.answer) for problem in draws(TASK, 20)]
    assert set(lengths[:20]) == {2}
    assert set(lengths[20:40]) == {3}
    assert min(lengths[40:]) == 4


def test_letters_and_order_do_not_make_another_puzzle() -> None:
    for problem in draws(TASK, 5):
        table = str.maketrans("ABCDEFGHIJ", "JAIBHCGDFE")
        roads = [[one.translate(table), other.translate(table), n] for one, other, n in problem.question["roads"]]
        Random(0).shuffle(roads)
        other = {**problem.question, "start": problem.question["start"].translate(table), "roads": roads}
        assert TASK.canonical(other) == TASK.canonical(problem.question)
        assert TASK.judge(other, problem.answer.translate(table))
        longer = [[roads[0][0], roads[0][1], roads[0][2] + 100], *roads[1:]]
        assert TASK.canonical({**other, "roads": longer}) != TASK.canonical(problem.question)


def test_upstream_record() -> None:
    for problem in draws(TASK, 5):
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": problem.answer}) == problem.question


@pytest.mark.parametrize(
    "text",
    [
        "",
        "start point is bank A. Nearest store?",
        "start point is bank A. 100 meters long from bank A to store B.",
        "start point is bank A. 100 meters long from bank C to store B. nearest store?",
        "start point is bank A. 100 meters long from bank A to store A. nearest store?",
        "start point is bank A. 1 meters long from bank A to store B. 1 meters long from store B to bank A. "
        "nearest store?",
        None,
        ["store"],
    ],
)
def test_unreadable_record(text: object) -> None:
    assert TASK.question_of({"meta": {"question": text}}) is None
