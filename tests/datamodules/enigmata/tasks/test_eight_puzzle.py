"""The 8 puzzle against all 181,440 boards that the gap can make."""

from __future__ import annotations

from collections import deque
from math import factorial
from random import Random

import pytest

from datamodules.enigmata.tasks.eight_puzzle import TASK
from datamodules.enigmata.tasks.sliding import can_be_slid, slides, ways
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.sliding import slides_home

NEAR = {"board": [[1, 2, 3], [4, 5, 6], [0, 7, 8]]}


def rows_of(text: str) -> list[list[int]]:
    side = {4: 2, 9: 3}[len(text)]
    return [[int(tile) for tile in text[start : start + side]] for start in range(0, len(text), side)]


def distances(goal: str) -> dict[str, int]:
    """Fewest moves from every board, by breadth-first search."""
    size = {4: 2, 9: 3}[len(goal)]
    near = [list(cells.values()) for cells in ways(size)]
    found, queue = {goal: 0}, deque([goal])
    while queue:
        board = queue.popleft()
        gap = board.index("0")
        for other in near[gap]:
            after = board.replace("0", "x").replace(board[other], "0").replace("x", board[other])
            if after not in found:
                found[after] = found[board] + 1
                queue.append(after)
    return found


def test_every_board_that_can_be_ordered_and_no_other() -> None:
    least = distances("123456780")
    assert len(least) == factorial(9) // 2
    random, tiles, ratios = Random(0), list("012345678"), []
    for _ in range(300):
        random.shuffle(tiles)
        board = "".join(tiles)
        assert can_be_slid(rows_of(board)) == (board in least)
        if board in least and len(ratios) < 20:
            shortest = slides(rows_of(board), (3,), astar_weight=1)
            longer = slides(rows_of(board), TASK.stages, TASK.astar_weight)
            assert len(shortest) == least[board] <= len(longer)
            assert slides_home({"board": rows_of(board)}, longer)
            ratios.append(len(longer) / least[board])
    assert sum(ratios) / len(ratios) < 1.3


def test_all_boards_of_side_two() -> None:
    least = distances("1230")
    boards = ["".join(str(n // 4**place % 4) for place in range(4)) for n in range(256)]
    for board in (board for board in boards if len(set(board)) == 4):
        assert can_be_slid(rows_of(board)) == (board in least)
    assert len(least) == 12


@pytest.mark.parametrize("answer", ["RR", "rr", "R, R", "Right -> right", '["R", "R"]', "R\nR", "RRLR", "RLRR"])
def test_any_way_home_is_right(answer: str) -> None:
    assert TASK.judge(NEAR, answer)


@pytest.mark.parametrize(
    "answer",
    ["R", "LL", "LRR", "RRR", "RRx", "Rechts, Rechts", "I go RR", "R2", "\u211b\u211b", "->", "[" * 9000, "L" * 9999],
)
def test_anything_else_is_wrong(answer: str) -> None:
    assert not TASK.judge(NEAR, answer)


def test_what_no_moves_can_order() -> None:
    swapped = {"board": [[2, 1, 3], [4, 5, 6], [7, 8, 0]]}
    assert TASK.judge(swapped, "No feasible move path exists.")
    assert TASK.judge(swapped, '"no feasible move path exists"')
    assert not TASK.judge(NEAR, "No feasible move path exists.")


def test_record_in_which_letters_may_name_the_tiles() -> None:
    for problem in draws(TASK, 3):
        record = {
            "meta": TASK.meta(problem.question),
            "answer": TASK.upstream_answer(problem.question, problem.answer),
        }
        question = TASK.question_of(record)
        assert question is not None
        assert TASK.canonical(question) == TASK.canonical(problem.question)
        of_tiles = problem.answer.translate(str.maketrans("LRUD", "RLDU"))
        assert TASK.judge(question, problem.answer)
        assert TASK.judge(question, of_tiles)
        assert not TASK.judge(problem.question, of_tiles)
        assert not TASK.judge(question, problem.answer[:-1] + of_tiles[-1:])


@pytest.mark.parametrize(
    "board", [None, 7, "123", [[1, 2, 3]], [[1, 2, 3], [4, 5, 6], [7, 8, 8]], [[True, 2, 3], [4, 5, 6], [7, 8, 0]], [1]]
)
def test_unreadable_records(board: object) -> None:
    assert TASK.question_of({"meta": {"question": board}}) is None
    assert TASK.question_of({"meta": board}) is None
    assert TASK.question_of({}) is None


def test_difficulty_is_inversions() -> None:
    for problem in draws(TASK, 6):
        tiles = [tile for row in problem.question["board"] for tile in row]
        counted = sum(a > b > 0 for place, a in enumerate(tiles) for b in tiles[place + 1 :])
        low, high = {"easy": (0, 10), "medium": (12, 16), "hard": (18, 28)}[problem.difficulty]
        assert low <= counted <= high
