"""The 15 puzzle: references replayed by a naive judge, parity by cycles instead of inversions."""

from __future__ import annotations

from random import Random

import pytest

from datamodules.enigmata.tasks.fifteen_puzzle import TASK
from datamodules.enigmata.tasks.sliding import can_be_slid, slides, ways
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.sliding import NEVER, possible, slides_home

SWAPPED = {"board": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 15, 14, 0]]}


def test_some_boards_can_not_be_ordered() -> None:
    problems = draws(TASK, 30, seed=1)
    never = [problem for problem in problems if problem.answer == NEVER]
    assert 1 <= len(never) <= 20
    assert all(possible(problem.question) == (problem not in never) for problem in problems)
    assert not any(
        problem.score(problem.solution.replace(problem.answer, NEVER)) for problem in problems if problem not in never
    )


def test_random_walks_of_the_gap_are_found_back() -> None:
    random = Random(0)
    for length in (1, 2, 9, 40, 41, 200):
        tiles = [*range(1, 16), 0]
        for _ in range(length):
            gap = tiles.index(0)
            other = random.choice(list(ways(4)[gap].values()))
            tiles[gap], tiles[other] = tiles[other], 0
        board = [tiles[start : start + 4] for start in (0, 4, 8, 12)]
        assert can_be_slid(board)
        assert slides_home({"board": board}, slides(board, TASK.stages, TASK.astar_weight))
        odd = [[{1: 2, 2: 1}.get(tile, tile) for tile in row] for row in board]
        assert not can_be_slid(odd)


def test_reference_is_no_detour() -> None:
    lengths = [len(problem.answer) for problem in draws(TASK, 8) if problem.answer != NEVER]
    assert sum(lengths) / len(lengths) < 110


@pytest.mark.parametrize("answer", ["", "R" * 9999, "UD" * 4999, "LRUDX", NEVER + "?", "No feasible", "\u0660"])
def test_hostile_answers(answer: str) -> None:
    assert not TASK.judge(SWAPPED, answer)


def test_what_no_moves_can_order() -> None:
    for said in (NEVER, NEVER.lower(), f'"{NEVER}"', NEVER[:-1]):
        assert TASK.judge(SWAPPED, said)


def test_record_and_difficulty() -> None:
    bounds = {"easy": (0, 45), "medium": (46, 59), "hard": (60, 105)}
    for problem in draws(TASK, 3):
        tiles = [tile for row in problem.question["board"] for tile in row]
        counted = sum(a > b > 0 for place, a in enumerate(tiles) for b in tiles[place + 1 :])
        assert bounds[problem.difficulty][0] <= counted <= bounds[problem.difficulty][1]
        answer = TASK.upstream_answer(problem.question, problem.answer)
        question = TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer})
        assert question is not None
        assert TASK.canonical(question) == TASK.canonical(problem.question)
        assert answer == (NEVER if problem.answer == NEVER else problem.question["board"])
