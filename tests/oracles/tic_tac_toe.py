"""Tic-tac-toe: plain minimax on lists."""

from __future__ import annotations

import re
from functools import cache

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import QUOTES

TRIPLES = ("012", "345", "678", "036", "147", "258", "048", "246")


def right(question: Question, answer: str) -> bool:
    cells, player = "".join(question["board"]), question["player"]
    lines = marks(answer)
    return [len(line) for line in lines] == [3, 3, 3] and "".join(lines) in [
        put(cells, place, player) for place in best(cells, player)
    ]


def marks(answer: str) -> list[str]:
    """The lines of a board, a dot for each empty cell; bars, or else commas, or else blanks stand between the cells."""
    lines = [line.strip("[] \t").rstrip(",]") for line in answer.replace("],", "]\n").splitlines() if line.strip()]
    found = []
    for line in (line for line in lines if "---" not in line):
        if line.count("|") > 2:
            line = re.sub(r"^\|(.*)\|$", r"\1", line.strip())
        between = next((mark for mark in "|," if mark in line), None)
        cells = [cell.strip().strip(QUOTES).strip().upper() for cell in line.split(between)]
        found.append(
            "".join(cell if cell in ("X", "O") else "." if cell in ("", "_", "-", ".") else "?" for cell in cells)
        )
    return found


def three(cells: str, player: str) -> bool:
    return any(all(cells[int(place)] == player for place in triple) for triple in TRIPLES)


def put(cells: str, place: int, player: str) -> str:
    return cells[:place] + player + cells[place + 1 :]


def other(player: str) -> str:
    return "O" if player == "X" else "X"


@cache
def outcome(cells: str, player: str, turn: str) -> int:
    """For the player, where it is the turn of one or the other."""
    for one, result in ((player, 1), (other(player), -1)):
        if three(cells, one):
            return result
    places = [place for place in range(9) if cells[place] == "."]
    results = [outcome(put(cells, place, turn), player, other(turn)) for place in places]
    return (max if turn == player else min)(results) if results else 0


def best(cells: str, player: str) -> list[int]:
    places = [place for place in range(9) if cells[place] == "."]
    for one in (player, other(player)):
        if urgent := [place for place in places if three(put(cells, place, one), one)]:
            return urgent
    results = {place: outcome(put(cells, place, player), player, other(player)) for place in places}
    return [place for place in places if results[place] == max(results.values())]
