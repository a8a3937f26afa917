"""Dumber judges of moves on boards, shared by the tests of these tasks."""

from __future__ import annotations

from datamodules.puzzles.enigmata.task import Question

STEPS = {"L": (0, -1), "R": (0, 1), "U": (-1, 0), "D": (1, 0)}


def is_phrase(answer: str, phrase: str) -> bool:
    return answer.strip().strip('"').strip().rstrip(".").lower() == phrase.rstrip(".").lower()


def even(tiles: list[int]) -> bool:
    """By cycles, not by inversions: a cycle of n tiles is n - 1 exchanges."""
    home, seen, exchanges = sorted(tiles), set[int](), 0
    for start in range(len(tiles)):
        place = start
        while place not in seen:
            seen.add(place)
            place = home.index(tiles[place])
            exchanges += place != start
    return exchanges % 2 == 0


def slides_home(question: Question, answer: str) -> bool:
    """Whether the letters move the gap so that the tiles end in order."""
    rows = [list(row) for row in question["board"]]
    size = len(rows)
    cells = {(r, c): rows[r][c] for r in range(size) for c in range(size)}
    for letter in answer:
        if letter not in STEPS:
            return False
        (row, column) = next(cell for cell, tile in cells.items() if tile == 0)
        other = (row + STEPS[letter][0], column + STEPS[letter][1])
        if other not in cells:
            return False
        cells[row, column], cells[other] = cells[other], 0
    return [cells[divmod(place, size)] for place in range(size * size)] == [*range(1, size * size), 0]


def shifts_home(question: Question, answer: str) -> bool:
    """Whether the moves, one step at a time, end in order."""
    rows = [list(row) for row in question["board"]]
    size = len(rows)
    for move in "".join(letter if letter.isalnum() else " " for letter in answer).split():
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
