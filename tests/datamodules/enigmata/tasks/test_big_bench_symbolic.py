"""List functions: operations by hand, and all chains by plain enumeration."""

from __future__ import annotations

import pytest

from datamodules.enigmata.tasks.big_bench_symbolic import OPERATIONS, TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.big_bench_symbolic import explained

BY_HAND = {
    "reverse": [9, 0, 12, 3, 3],
    "sort": [0, 3, 3, 9, 12],
    "sort from large to small": [12, 9, 3, 3, 0],
    "first of equal ones": [3, 12, 0, 9],
    "all but the first": [3, 12, 0, 9],
    "all but the last": [3, 3, 12, 0],
    "first three": [3, 3, 12],
    "last three": [12, 0, 9],
    "first, third, fifth...": [3, 12, 9],
    "second, fourth, sixth...": [3, 0],
    "even ones": [12, 0],
    "odd ones": [3, 3, 9],
    "at least ten": [12],
    "add one": [4, 4, 13, 1, 10],
    "double": [6, 6, 24, 0, 18],
    "last digits": [3, 3, 2, 0, 9],
    "add the place, from zero": [3, 4, 14, 3, 13],
    "rotate left": [3, 12, 0, 9, 3],
    "rotate right": [9, 3, 3, 12, 0],
    "swap the ends": [9, 3, 12, 0, 3],
    "append the length": [3, 3, 12, 0, 9, 5],
    "prepend the largest": [12, 3, 3, 12, 0, 9],
    "append the sum": [3, 3, 12, 0, 9, 27],
    "without the largest ones": [3, 3, 0, 9],
    "sums so far": [3, 6, 18, 18, 27],
    "differences of neighbors": [0, 9, 12, 9],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_by_hand(name: str) -> None:
    assert list(OPERATIONS[name]((3, 3, 12, 0, 9))) == BY_HAND[name]
    assert isinstance(OPERATIONS[name](()), tuple)


def test_all_that_explains_the_examples_agrees() -> None:
    for problem in draws(TASK, 4):
        assert explained(problem.question["text"]) == {tuple(problem.question["output"])}


@pytest.mark.parametrize("answer", ["[4, 0, 17]", "4 0 17", "4,0,17", "[ 4,0, 17 ]", "[4; 0; 17]"])
def test_common_ways_to_write_a_list(answer: str) -> None:
    assert TASK.judge({"text": "[1] ->", "output": [4, 0, 17]}, answer)


@pytest.mark.parametrize("answer", ["[4, 0]", "[0, 4, 17]", "[4, 0, 17, 1]", "[[4], [0, 17]]", "[4.0, 0, 17]", "4017"])
def test_wrong_lists(answer: str) -> None:
    assert not TASK.judge({"text": "[1] ->", "output": [4, 0, 17]}, answer)


def test_empty_list() -> None:
    assert TASK.judge({"text": "[1] ->", "output": []}, "[]")
    assert not TASK.judge({"text": "[1] ->", "output": []}, "[0]")
    assert not TASK.judge({"text": "[1] ->", "output": [0]}, "[]")


def test_record_and_round_trip() -> None:
    for problem in draws(TASK, 2):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question
    chat = [{"role": "user", "content": "[1] -> [2]\n[3] ->"}]
    assert TASK.question_of({"prompt": chat, "meta": {}, "answer": [4]}) == {"text": chat[0]["content"], "output": [4]}
    for record in ({}, {"prompt": "x", "answer": "[4"}, {"prompt": "x", "answer": [[4]]}, {"meta": {}, "answer": [4]}):
        assert TASK.question_of(record) is None
