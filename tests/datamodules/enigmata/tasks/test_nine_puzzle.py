"""The 9 puzzle against all boards that shifts of rows and columns can make."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from random import Random

import pytest
from sympy.combinatorics import Permutation, PermutationGroup

from datamodules.enigmata.tasks.nine_puzzle import TASK
from datamodules.enigmata.tasks.shifting import can_be_shifted, shifts
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.reading import says
from tests.oracles.shifting import NEVER, possible, shifts_home
from tests.oracles.sliding import even

NEAR = {"board": [[3, 1, 2], [4, 5, 6], [7, 8, 9]]}
SWAPPED = {"board": [[1, 2, 3], [7, 5, 6], [4, 8, 9]]}


def test_shifts_make_half_of_all_boards() -> None:
    group = PermutationGroup([Permutation(sources) for sources in shifts(3).values()])
    assert group.order() == factorial(9) // 2
    random = Random(0)
    for _ in range(200):
        tiles = random.sample(range(1, 10), 9)
        board = [tiles[start : start + 3] for start in (0, 3, 6)]
        assert can_be_shifted(board) == even(tiles) == group.contains(Permutation([tile - 1 for tile in tiles]))


def test_all_ways_of_two_moves() -> None:
    for moves in permutations(shifts(3), 2):
        answer = f'["{moves[0]}", "{moves[1]}"]'
        assert TASK.judge(NEAR, answer) == shifts_home(NEAR, answer)


@pytest.mark.parametrize(
    "answer", ['["R11"]', "R11", "r11", "['R12', 'R12']", "R12, R12", "R12 -> R12", "C11\nC12 R11"]
)
def test_any_way_home_is_right(answer: str) -> None:
    assert TASK.judge(NEAR, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "R12",
        "R14",
        "R10",
        "R1",
        "R111",
        "R11 R41",
        "C4\u0661",
        '[["R", 1, 1]]',
        "R 1 1",
        NEVER,
        "[" * 9999,
        '["R11"] * 1',
    ],
)
def test_anything_else_is_wrong(answer: str) -> None:
    assert not TASK.judge(NEAR, answer)


def test_answers_are_not_run() -> None:
    assert not TASK.judge(NEAR, '[__import__("os").getcwd(), "R11"]')
    assert not TASK.judge(NEAR, '["R" + "11"]')
    assert not TASK.judge(NEAR, "R11 " * 2499)


def test_a_fourth_column_does_not_swap_two_tiles() -> None:
    """In upstream's verifier it is every third cell from the fourth on: two tiles of the first column."""
    assert not TASK.judge(SWAPPED, '["C41"]')
    for said in (f'"{NEVER}"', NEVER, NEVER.upper(), NEVER[:-1]):
        assert TASK.judge(SWAPPED, said)


def test_some_boards_can_not_be_ordered() -> None:
    problems = draws(TASK, 40, seed=1)
    never = [says(problem.answer, NEVER) for problem in problems]
    assert 1 <= sum(never) <= 25
    assert never == [not possible(problem.question) for problem in problems]


def test_record_and_difficulty() -> None:
    bounds = {"easy": (0, 10), "medium": (12, 16), "hard": (18, 36)}
    for problem in draws(TASK, 12):
        tiles = [tile for row in problem.question["board"] for tile in row]
        counted = sum(a > b for place, a in enumerate(tiles) for b in tiles[place + 1 :])
        assert bounds[problem.difficulty][0] <= counted <= bounds[problem.difficulty][1]
        answer = TASK.upstream_answer(problem.question, problem.answer)
        question = TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer})
        assert question == problem.question
        assert answer == (problem.question["board"] if even(tiles) else NEVER)
    assert TASK.question_of({"meta": {"question": [[1, 2, 3], [4, 5, 6], [7, 8, 0]]}}) is None
    assert TASK.question_of({"meta": "?"}) is None
