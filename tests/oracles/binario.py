"""Binario: every line looked at as text."""

from __future__ import annotations

from itertools import product

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import number, table


def right(question: Question, answer: str) -> bool:
    given = question["grid"]
    square = [[number(word) for word in line] for line in table(answer)]
    if [len(line) for line in square] != [len(given)] * len(given):
        return False
    kept = all(given[r][c] in (-1, square[r][c]) for r, c in product(range(len(given)), repeat=2))
    return kept and follows_the_rules(square)


def follows_the_rules(square: list[list[int | None]]) -> bool:
    lines = [*square, *([row[c] for row in square] for c in range(len(square)))]
    texts = ["".join(map(str, line)) for line in lines]
    halves = all(text.count("0") == text.count("1") == len(text) // 2 for text in texts)
    return halves and not any("000" in text or "111" in text for text in texts)
