"""Skyscrapers: a Latin square looked at building by building."""

from __future__ import annotations

from collections.abc import Callable

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import digits

Square = list[list[int]]


def right(question: Question, answer: str) -> bool:
    return latin_with(question, answer, len)


def latin_with(question: Question, answer: str, told: Callable[[list[int]], int]) -> bool:
    """Whether no line repeats a height and every clue tells this of the buildings that are seen."""
    size = len(question["top"])
    lines = digits(answer, size)
    if lines is None:
        return False
    latin = all(sorted(line) == list("123456789"[:size]) for line in (*lines, *zip(*lines, strict=True)))
    looks = views([[int(cell) for cell in line] for line in lines])
    return latin and {side: [told(line) for line in seen] for side, seen in looks.items()} == question


def views(square: Square) -> dict[str, list[list[int]]]:
    """What is seen from each side."""
    turned = [[row[c] for row in square] for c in range(len(square))]
    return {
        "top": [seen(line) for line in turned],
        "left": [seen(line) for line in square],
        "right": [seen(list(reversed(line))) for line in square],
        "bottom": [seen(list(reversed(line))) for line in turned],
    }


def seen(line: list[int]) -> list[int]:
    """The buildings of which all in front are lower."""
    return [height for place, height in enumerate(line) if all(other < height for other in line[:place])]
