"""List functions: find the function behind examples of lists, and apply it to one more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import bare, integers
from datamodules.enigmata.tasks.induction import Induction, Operation, Pair, Value
from datamodules.enigmata.tasks.task import Levels, Question

HIGH = 20
"""Numbers of inputs are from 0 to this."""


def without(xs: Value, number: int) -> Value:
    """The list without this number."""
    return tuple(x for x in xs if x != number)


OPERATIONS: dict[str, Operation] = {
    "reverse": lambda xs: xs[::-1],
    "sort": lambda xs: tuple(sorted(xs)),
    "sort from large to small": lambda xs: tuple(sorted(xs, reverse=True)),
    "first of equal ones": lambda xs: tuple(dict.fromkeys(xs)),
    "all but the first": lambda xs: xs[1:],
    "all but the last": lambda xs: xs[:-1],
    "first three": lambda xs: xs[:3],
    "last three": lambda xs: xs[-3:],
    "first, third, fifth...": lambda xs: xs[::2],
    "second, fourth, sixth...": lambda xs: xs[1::2],
    "even ones": lambda xs: tuple(x for x in xs if x % 2 == 0),
    "odd ones": lambda xs: tuple(x for x in xs if x % 2),
    "at least ten": lambda xs: tuple(x for x in xs if x >= 10),
    "add one": lambda xs: tuple(x + 1 for x in xs),
    "double": lambda xs: tuple(2 * x for x in xs),
    "last digits": lambda xs: tuple(x % 10 for x in xs),
    "add the place, from zero": lambda xs: tuple(place + x for place, x in enumerate(xs)),
    "rotate left": lambda xs: xs[1:] + xs[:1],
    "rotate right": lambda xs: xs[-1:] + xs[:-1],
    "swap the ends": lambda xs: (xs[-1], *xs[1:-1], xs[0]) if len(xs) > 1 else xs,
    "append the length": lambda xs: (*xs, len(xs)),
    "prepend the largest": lambda xs: (max(xs), *xs) if xs else xs,
    "append the sum": lambda xs: (*xs, sum(xs)),
    "without the largest ones": lambda xs: without(xs, max(xs, default=0)),
    "sums so far": lambda xs: tuple(accumulate(xs)),
    "differences of neighbors": lambda xs: tuple(abs(x - y) for x, y in pairwise(xs)),
}


class BigBenchSymbolic(Induction):
    """The text has lines such as `[3, 1] -> [1, 3]`, the last one without its output."""

    name = "big_bench_symbolic"
    operations: ClassVar[Sequence[Operation]] = tuple(OPERATIONS.values())
    levels: ClassVar[Levels] = {
        "easy": ({"steps": 1, "examples": 4},),
        "medium": ({"steps": 2, "examples": 5},),
        "hard": ({"steps": 3, "examples": 6},),
    }

    def value(self, random: Random) -> Value:
        return tuple(random.choices(range(HIGH + 1), k=random.randint(5, 9)))

    def text(self, pairs: Sequence[Pair]) -> str:
        *examples, (given, _) = pairs
        return "\n".join([*(f"{list(x)} -> {list(y)}" for x, y in examples), f"{list(given)} ->"])

    def written(self, output: Value) -> str:
        return str(list(output))

    def ask(self, question: Question) -> str:
        return (
            "One and the same function made every list on the right from the list on its left. Work out what it does, "
            f"and what it makes of the last list.\n\n{question['text']}\n\nGive the missing list in a fenced code "
            "block, such as `[4, 0, 17]`."
        )

    def judge(self, question: Question, answer: str) -> bool:
        return bool(bare(answer)) and integers(answer) == question["output"]

    def parse(self, data: Any) -> Value | None:
        is_list = isinstance(data, list) and all(isinstance(item, int) for item in data)
        return tuple(data) if is_list else None


TASK = BigBenchSymbolic()
