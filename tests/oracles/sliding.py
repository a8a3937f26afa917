"""Sliding puzzles: the gap moved letter by letter; parity by cycles, where the scorer counts inversions."""

from __future__ import annotations

import re

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import inner, says

STEPS = {"L": (0, -1), "R": (0, 1), "U": (-1, 0), "D": (1, 0)}
NEVER = "No feasible move path exists."
BETWEEN = r"[\s,;>\[\](){}\"'`-]+"


def right(question: Question, answer: str) -> bool:
    return not possible(question) if says(answer, NEVER) else slides_home(question, answer)


def possible(question: Question) -> bool:
    """Every move exchanges two tiles and leads the gap one cell on."""
    size = len(question["board"])
    tiles = [tile or size * size for row in question["board"] for tile in row]
    row, column = divmod(tiles.index(size * size), size)
    return even(tiles) == ((row + column) % 2 == 0)


def even(tiles: list[int]) -> bool:
    """Whether a permutation is: a cycle of n tiles is n - 1 exchanges."""
    home, seen, exchanges = sorted(tiles), set[int](), 0
    for start in range(len(tiles)):
        place = start
        while place not in seen:
            seen.add(place)
            place = home.index(tiles[place])
            exchanges += place != start
    return exchanges % 2 == 0


def slides_home(question: Question, answer: str) -> bool:
    """Whether the letters, or words, move the gap so that the tiles end in order."""
    size = len(question["board"])
    cells = {(r, c): question["board"][r][c] for r in range(size) for c in range(size)}
    words = re.split(BETWEEN, inner(answer).upper())
    for letter in "".join(word[:1] if word in ("LEFT", "RIGHT", "UP", "DOWN") else word for word in words):
        if letter not in STEPS:
            return False
        (row, column) = next(cell for cell, tile in cells.items() if tile == 0)
        other = (row + STEPS[letter][0], column + STEPS[letter][1])
        if other not in cells:
            return False
        cells[row, column], cells[other] = cells[other], 0
    return [cells[divmod(place, size)] for place in range(size * size)] == [*range(1, size * size), 0]
