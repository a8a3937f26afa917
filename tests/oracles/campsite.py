"""Campsite: the rules in words, with trees given to tents in every order."""

from __future__ import annotations

from itertools import combinations, permutations, product

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, tagged


def right(question: Question, answer: str) -> bool:
    board, size = tagged(answer), len(question["rows"])
    if [len(line) for line in board] != [size] * size:
        return False
    tents = places(board, "*")
    on_ground = all(question["board"][r][c] == "." for r, c in tents)
    rest = [cell for cell in product(range(size), range(size)) if cell not in tents]
    return on_ground and all(board[r][c] == question["board"][r][c] for r, c in rest) and fits(question, tents)


def places(board: list[str], symbol: str) -> list[Cell]:
    return [(r, c) for r, line in enumerate(board) for c, cell in enumerate(line) if cell == symbol]


def fits(question: Question, tents: list[Cell]) -> bool:
    """Counts, distance, and some order of the trees in which each is beside its tent."""
    trees = places(question["board"], "X")
    rows = [sum(r == row for r, _ in tents) for row in range(len(question["rows"]))]
    columns = [sum(c == column for _, c in tents) for column in range(len(question["columns"]))]
    if rows != question["rows"] or columns != question["columns"] or len(trees) != len(tents):
        return False
    if any((a - c) ** 2 + (b - d) ** 2 <= 2 for (a, b), (c, d) in combinations(tents, 2)):
        return False
    return any(
        all((a - c) ** 2 + (b - d) ** 2 == 1 for (a, b), (c, d) in zip(tents, order, strict=True))
        for order in permutations(trees)
    )
