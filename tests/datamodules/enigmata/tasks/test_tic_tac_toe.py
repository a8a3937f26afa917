"""Tic-tac-toe against plain minimax on lists, over all positions."""

from __future__ import annotations

from itertools import product

import pytest

from datamodules.enigmata.tasks.task import DIFFICULTIES, TaskPuzzle
from datamodules.enigmata.tasks.tic_tac_toe import TASK, written
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.tic_tac_toe import best, other, outcome, put, three

FORK = {"board": ["X..", ".O.", "..X"], "player": "O"}


def rows_of(cells: str) -> list[str]:
    return [cells[:3], cells[3:6], cells[6:]]


def positions() -> list[tuple[str, str]]:
    """All in which the game goes on, with whose turn it is."""
    found = []
    for letters in product(".XO", repeat=9):
        cells = "".join(letters)
        ahead = cells.count("X") - cells.count("O")
        if ahead in (0, 1) and "." in cells and not three(cells, "X") and not three(cells, "O"):
            found.append((cells, "O" if ahead else "X"))
    return found


def test_every_move_of_every_position() -> None:
    everything = positions()
    assert len(everything) == 4520
    for cells, player in everything[::3]:
        question = {"board": rows_of(cells), "player": player}
        after = {place: written(rows_of(put(cells, place, player))) for place in range(9) if cells[place] == "."}
        assert [place for place, text in after.items() if TASK.judge(question, text)] == best(cells, player)


def test_a_move_can_be_wrong_and_the_game_is_not_lost() -> None:
    for problem in draws(TASK, 30):
        cells, player = "".join(problem.question["board"]), problem.question["player"]
        assert len(best(cells, player)) < cells.count(".")
        assert outcome(cells, player, player) >= 0
        at_hand = any(three(put(cells, place, one), one) for place in range(9) if cells[place] == "." for one in "XO")
        assert at_hand == (problem.difficulty != "hard")


def test_a_corner_loses_where_both_corners_are_taken() -> None:
    sides = ["XO. .O. ..X", "X.. OO. ..X", "X.. .OO ..X", "X.. .O. .OX"]
    corners = ["X.O .O. ..X", "X.. .O. O.X"]
    assert all(TASK.judge(FORK, side.replace(" ", "\n").replace("", " ")) for side in sides)
    assert not any(TASK.judge(FORK, corner.replace(" ", "\n").replace("", " ")) for corner in corners)


@pytest.mark.parametrize(
    "answer",
    [
        '"X" "O" ""\n"" "O" ""\n"" "" "X"',
        "X O _\n_ O _\n_ _ X",
        "x o . \n. o .\n. . x",
        "X | O |  \n---------\n  | O |  \n---------\n  |   | X",
        "| X | O |   |\n|---|---|---|\n|   | O |   |\n|   |   | X |",
        '[["X", "O", ""], ["", "O", ""], ["", "", "X"]]',
        "[['X', 'O', ''],\n ['', 'O', ''],\n ['', '', 'X']]",
        "X,O,-\n-,O,-\n-,-,X",
    ],
)
def test_a_board_as_people_write_it(answer: str) -> None:
    assert TASK.judge(FORK, answer)


@pytest.mark.parametrize(
    "answer",
    [
        '"X" "" ""\n"" "O" ""\n"" "" "X"',  # no move
        "X O _\n_ O _\n_ O X",  # two
        "X X _\n_ O _\n_ _ X",  # the other's
        "O O _\n_ O _\n_ _ X",  # over a mark
        "_ O _\n_ O _\n_ _ X",  # a mark is gone
        "X O _ _\n_ O _\n_ _ X",
        "X O _\n_ O _\n_ _ X\n_ _ _",
        "X 0 _\n_ 0 _\n_ _ X",
        "(0, 1)",
        "|" * 9000,
        "[" * 9000,
    ],
)
def test_anything_else(answer: str) -> None:
    assert not TASK.judge(FORK, answer)


def test_records_as_upstream_has_them() -> None:
    for problem in draws(TASK, 3):
        question = problem.question
        meta, answer = TASK.meta(question), TASK.upstream_answer(question, problem.answer)
        assert TASK.question_of({"meta": meta, "answer": answer}) == question
        assert TASK.judge(question, str(answer))
        assert TASK.question_of({"meta": {**meta, "active_player": other(question["player"])}}) is None
    row = ["", "", ""]
    for board in (
        None,
        "x",
        [row],
        [row, row, ["", "", 3]],
        [["X"] * 3, ["O", "O", ""], row],
        [row, row, [[], "", ""]],
    ):
        assert TASK.question_of({"meta": {"current_board": board, "active_player": "O"}}) is None
    assert TASK.question_of({"meta": {"current_board": [row] * 3, "active_player": ["X"]}}) is None
    assert TASK.question_of({"meta": None}) is None


def test_difficulties_differ() -> None:
    assert len({str(TaskPuzzle(TASK, difficulty).fingerprint()) for difficulty in DIFFICULTIES}) == 3
    problems = draws(TASK, 10)
    fewest = [min("".join(p.question["board"]).count(".") for p in problems[10 * i : 10 * i + 10]) for i in range(2)]
    assert fewest[0] < fewest[1]
