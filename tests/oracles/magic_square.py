"""Magic square: eight sums and nine different numbers."""

from __future__ import annotations

from itertools import product

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import number, table

Square = list[list[int]]


def right(question: Question, answer: str) -> bool:
    told = [[number(word) for word in line] for line in table(answer)]
    square = [[cell for cell in line if cell is not None] for line in told]
    return [len(line) for line in told] == [3, 3, 3] and square == told and magic(square) and keeps(square, question)


def magic(square: Square) -> bool:
    (a, b, c), (d, e, f), (g, h, i) = square
    sums = [a + b + c, d + e + f, g + h + i, a + d + g, b + e + h, c + f + i, a + e + i, c + e + g]
    return min(sums) == max(sums) and len({a, b, c, d, e, f, g, h, i}) == 9


def keeps(square: Square, question: Question) -> bool:
    return all(question["grid"][r][c] in (None, square[r][c]) for r, c in product(range(3), repeat=2))
