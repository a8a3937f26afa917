"""Shifting puzzles: the lines moved step by step; parity by cycles, where the scorer counts inversions."""

from __future__ import annotations

import re

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import inner, says
from tests.oracles.sliding import BETWEEN, even

NEVER = "No valid sequence of moves exists."


def right(question: Question, answer: str) -> bool:
    return not possible(question) if says(answer, NEVER) else shifts_home(question, answer)


def possible(question: Question) -> bool:
    """A step along a line of four tiles is odd, so that all boards can be ordered; one of three is even."""
    return len(question["board"]) == 4 or even([tile for row in question["board"] for tile in row])


def shifts_home(question: Question, answer: str) -> bool:
    """Whether the moves, one step at a time, end in order."""
    rows = [list(row) for row in question["board"]]
    size = len(rows)
    for move in filter(None, re.split(BETWEEN, inner(answer).upper())):
        if len(move) != 3 or move[0] not in "RC" or move[1] not in "1234"[:size] or move[2] not in "123"[: size - 1]:
            return False
        line = int(move[1]) - 1
        for _ in range(int(move[2])):
            if move[0] == "R":
                rows[line].append(rows[line].pop(0))
            else:
                top = rows[0][line]
                for row in range(size - 1):
                    rows[row][line] = rows[row + 1][line]
                rows[-1][line] = top
    return [tile for row in rows for tile in row] == list(range(1, size * size + 1))
