"""The 16 puzzle: shifts make all boards, and references are replayed step by step."""

from __future__ import annotations

from math import factorial

import pytest
from sympy.combinatorics import Permutation, PermutationGroup

from datamodules.enigmata.tasks.shifting import can_be_shifted, shifts
from datamodules.enigmata.tasks.sixteen_puzzle import TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.shifting import NEVER

NEAR = {"board": [[4, 1, 2, 3], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]}


def test_shifts_make_all_boards() -> None:
    group = PermutationGroup([Permutation(sources) for sources in shifts(4).values()])
    assert group.order() == factorial(16)
    assert can_be_shifted([[2, 1, 3, 4], *NEAR["board"][1:]])


def test_any_way_home_is_right() -> None:
    for answer in ("R11", "R12 R13", "R13 R13 R13", "C11 C13 R11", '["R21", "R11", "R23"]'):
        assert TASK.judge(NEAR, answer)


@pytest.mark.parametrize(
    "answer", ["R14", "R10", "R51 R11", "C51 R11", "R-11", "R111", NEVER, f'"{NEVER}"', "[" * 9999]
)
def test_anything_else_is_wrong(answer: str) -> None:
    assert not TASK.judge(NEAR, answer)


def test_record_and_difficulty() -> None:
    bounds = {"easy": (0, 45), "medium": (46, 59), "hard": (60, 120)}
    for problem in draws(TASK, 6):
        tiles = [tile for row in problem.question["board"] for tile in row]
        counted = sum(a > b for place, a in enumerate(tiles) for b in tiles[place + 1 :])
        assert bounds[problem.difficulty][0] <= counted <= bounds[problem.difficulty][1]
        record = {"meta": TASK.meta(problem.question), "answer": problem.question["board"]}
        assert TASK.question_of(record) == problem.question
    assert TASK.question_of({"meta": {"question": [[1, 2, 3, 4]] * 4}}) is None
