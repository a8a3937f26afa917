"""Number grids: operations by hand, and all chains by plain enumeration."""

from __future__ import annotations

import pytest

from datamodules.enigmata.tasks.symbolic_hard import OPERATIONS, TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.symbolic_hard import Grid, explained, grid

GIVEN = "0 0 0|0 3 1|2 0 1"
BY_HAND = {
    "mirror": "0 0 0|1 3 0|1 0 2",
    "upside down": "2 0 1|0 3 1|0 0 0",
    "quarter turn clockwise": "2 0 0|0 3 0|1 1 0",
    "transpose": "0 0 2|0 3 0|0 1 1",
    "shift right": "0 0 0|1 0 3|1 2 0",
    "shift down": "2 0 1|0 0 0|0 3 1",
    "fall right": "0 0 0|0 3 1|0 2 1",
    "fall down": "0 0 0|0 0 1|2 3 1",
    "crop": "0 3 1|2 0 1",
    "left half": "0 0|0 3|2 0",
    "top half": "0 0 0|0 3 1",
    "repeat to the right": "0 0 0 0 0 0|0 3 1 0 3 1|2 0 1 2 0 1",
    "mirror image below": "0 0 0|0 3 1|2 0 1|2 0 1|0 3 1|0 0 0",
    "only the edge": "0 0 0|0 0 1|2 0 1",
    "1 becomes 2": "0 0 0|0 3 2|2 0 2",
    "3 becomes 0": "0 0 0|0 0 1|2 0 1",
    "exchange 2 and 4": "0 0 0|0 3 1|4 0 1",
    "0 becomes 1": "1 1 1|1 3 1|2 1 1",
}


def drawn(text: str) -> Grid:
    return grid(text.replace("|", "\n"))


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_by_hand(name: str) -> None:
    assert OPERATIONS[name](drawn(GIVEN)) == drawn(BY_HAND[name])
    assert OPERATIONS[name](((0,),)) in [drawn(text) for text in ("0", "1", "0 0", "0|0")]


def test_all_that_explains_the_examples_agrees() -> None:
    for problem in draws(TASK, 4):
        assert explained(problem.question["text"]) == {grid(problem.answer)}


@pytest.mark.parametrize("answer", ["1 0\n2 3", "[[1, 0], [2, 3]]", "[1, 0],\n[2, 3]", "1,0\n2,3", "1, 0\n\n2, 3\n"])
def test_common_ways_to_write_a_grid(answer: str) -> None:
    assert TASK.judge({"text": "", "output": [[1, 0], [2, 3]]}, answer)


@pytest.mark.parametrize("answer", ["1 0 2 3", "1 0\n2", "1 0\n2 4", "1 2\n0 3", "1 0\n2 \u00b2", "[[[1, 0]]]", ""])
def test_wrong_grids(answer: str) -> None:
    assert not TASK.judge({"text": "", "output": [[1, 0], [2, 3]]}, answer)


@pytest.mark.parametrize("answer", [[[1, 0], [2, 3]], "1 0\n2 3", "1, 0\n2, 3"])
def test_record_from_elsewhere(answer: object) -> None:
    record = {"prompt": "[[0]] -> ", "answer": answer, "meta": {}}
    assert TASK.question_of(record) == {"text": "[[0]] -> ", "output": [[1, 0], [2, 3]]}


@pytest.mark.parametrize("answer", [None, [], [[]], [[1], [2, 3]], [1, 2], "one", [["1"]], [[1] * 1000]])
def test_unreadable_record(answer: object) -> None:
    assert TASK.question_of({"prompt": "x", "answer": answer, "meta": {}}) is None


def test_round_trip() -> None:
    for problem in draws(TASK, 2):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question
