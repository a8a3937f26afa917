"""Star battle: stars compared two by two."""

from __future__ import annotations

from itertools import combinations, product

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import Cell, tagged


def right(question: Question, answer: str) -> bool:
    found, size = tagged(answer), len(question["board"])
    if [len(line) for line in found] != [size] * size:
        return False
    cells = list(product(range(size), range(size)))
    stars = [(r, c) for r, c in cells if found[r][c] == "*"]
    same = all(found[r][c] == question["board"][r][c] for r, c in cells if (r, c) not in stars)
    on_open = all(question["board"][r][c] == "." for r, c in stars)
    lines = sorted(r for r, _ in stars) == sorted(c for _, c in stars) == list(range(size))
    return same and on_open and lines and not any(near(a, b) for a, b in combinations(stars, 2))


def near(a: Cell, b: Cell) -> bool:
    return abs(a[0] - b[0]) < 2 and abs(a[1] - b[1]) < 2
