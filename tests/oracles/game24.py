"""The 24 game: the value of the expression, or all values that the numbers have."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations

from datamodules.enigmata.tasks.task import Question
from tests.oracles.arithmetic import steps
from tests.oracles.reading import says


def right(question: Question, answer: str) -> bool:
    if says(answer, "cannot form 24"):
        return 24 not in reachable(tuple(sorted(map(Fraction, question["numbers"]))))
    found = steps(answer, 24)
    return found is not None and Counter(found[0]) == Counter(question["numbers"]) and found[1][-1] == 24


@cache
def reachable(numbers: tuple[Fraction, ...]) -> set[Fraction]:
    """All values of all the numbers: join any two, and go on with what there is then."""
    if len(numbers) == 1:
        return set(numbers)
    found: set[Fraction] = set()
    for i, j in combinations(range(len(numbers)), 2):
        rest = [number for place, number in enumerate(numbers) if place not in (i, j)]
        a, b = numbers[i], numbers[j]
        for value in {a + b, a * b, a - b, b - a, *([a / b] if b else []), *([b / a] if a else [])}:
            found |= reachable(tuple(sorted((*rest, value))))
    return found
