"""Car painting: the fewest switches by dynamic programming over the sets of cars that are painted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import number, words


def right(question: Question, answer: str) -> bool:
    numbers, colors, reach = [number(word) for word in words(answer)], question["colors"], question["reach"]
    if None in numbers or sorted(map(str, numbers)) != sorted(map(str, range(1, len(colors) + 1))):
        return False
    order = [car - 1 for car in numbers if car is not None]
    near = all(abs(car - place) <= reach for place, car in enumerate(order))
    return near and switches(colors, order) == fewest("".join(colors), reach)


def switches(colors: Sequence[str], order: Sequence[int]) -> int:
    painted = "".join(colors[car] for car in order)
    return sum(painted[place] != painted[place - 1] for place in range(1, len(painted)))


@cache
def fewest(colors: str, reach: int) -> int:
    """Of all orders that are allowed: place by place, the least for each set of painted cars, as bits, and last color.

    A car that could be painted nowhere later is painted now.
    """
    states = {(0, ""): 0}
    for place in range(len(colors)):
        following: dict[tuple[int, str], int] = {}
        for (painted, last), cost in states.items():
            choices = [car for car in range(place - reach, place + reach + 1) if 0 <= car < len(colors)]
            choices = [car for car in choices if not painted >> car & 1]
            for car in choices[: 1 if choices and choices[0] == place - reach else None]:
                state, total = (painted | 1 << car, colors[car]), cost + (last not in ("", colors[car]))
                following[state] = min(total, following.get(state, total))
        states = following
    return min(states.values())
