"""List functions: every chain of operations that explains the examples, by plain enumeration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any

from datamodules.enigmata.tasks.big_bench_symbolic import OPERATIONS
from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import inner, number, words


def right(question: Question, answer: str) -> bool:
    said = tuple(number(word) for word in words(answer))
    return inner(answer) != "" and explained(question["text"]) == {said}


def pairs(text: str) -> list[list[tuple[int, ...]]]:
    """Inputs with their outputs; the last output is empty."""
    sides = [[json.loads(side) if side.strip() else [] for side in line.split("->")] for line in text.splitlines()]
    return [[tuple(side) for side in line] for line in sides]


@cache
def explained(text: str) -> set[tuple[int, ...]]:
    """What the shortest chains that explain all examples make of the last input."""
    *examples, (given, _) = pairs(text)
    return outputs(list(OPERATIONS.values()), examples, given)


def outputs(operations: Sequence[Any], examples: Sequence[Any], given: Any) -> set[Any]:
    """All outputs of the last input by chains of at most three operations, the shortest that fit all examples."""
    for length in range(4):
        found = set()
        for chain in product(operations, repeat=length):
            if all(applied(chain, before) == after for before, after in examples):
                found.add(applied(chain, given))
        if found:
            return found
    return set()


def applied(chain: Sequence[Any], value: Any) -> Any:
    for operation in chain:
        value = operation(value)
    return value
