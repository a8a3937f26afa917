"""Number grids: every chain of operations that explains the examples, by plain enumeration."""

from __future__ import annotations

from functools import cache

from datamodules.enigmata.tasks.symbolic_hard import OPERATIONS
from datamodules.enigmata.tasks.task import Question
from tests.oracles.big_bench_symbolic import outputs
from tests.oracles.reading import number, table

Grid = tuple[tuple[int, ...], ...]


def right(question: Question, answer: str) -> bool:
    said = tuple(tuple(number(word) for word in line) for line in table(answer))
    return explained(question["text"]) == {said}


def grids(text: str) -> list[Grid]:
    """Input, output, input, output, ..., input."""
    parts = text.replace("Input:", "Output:").split("Output:")
    return [grid(part) for part in parts if part.strip()]


def grid(text: str) -> Grid:
    return tuple(tuple(int(word) for word in line.split()) for line in text.strip().splitlines())


@cache
def explained(text: str) -> set[Grid]:
    """What the shortest chains that explain all examples make of the last input."""
    *shown, given = grids(text)
    return outputs(list(OPERATIONS.values()), list(zip(shown[::2], shown[1::2], strict=True)), given)
