"""Car painting: reorder a line of cars, each by a few places at most, for the fewest changes of color."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from string import ascii_uppercase
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import integers
from datamodules.enigmata.tasks.task import Levels, Question, Task

MOST_CARS, MOST_REACH = 100, 6
"""Limits for records: the search takes time linear in the cars and exponential in the reach."""


class CarPainting(Task):
    """A question is `{"colors": one letter a car, "reach": places a car may move, "switches": fewest changes}`."""

    name = "car_painting"
    levels: ClassVar[Levels] = {
        "easy": ({"cars": [8, 15], "colors": [2, 4], "reach": [2, 4], "skew": [0.6, 0.8]},),
        "medium": ({"cars": [15, 25], "colors": [3, 6], "reach": [3, 5], "skew": [0.3, 0.5]},),
        "hard": ({"cars": [25, 40], "colors": [5, 9], "reach": [2, 4], "skew": [0.1, 0.3]},),
    }

    def draw(
        self, random: Random, cars: Sequence[int], colors: Sequence[int], reach: Sequence[int], skew: Sequence[float]
    ) -> tuple[Question, str] | None:
        """Generate with values from these ranges; None if the given order is already optimal.

        The share of each color is drawn with density skew * share**(skew - 1): with a smaller skew the
        shares differ more.
        """
        letters = ascii_uppercase[: random.randint(*colors)]
        exponent = 1 / random.uniform(*skew)
        shares = [random.random() ** exponent for _ in letters]
        line = [*letters, *random.choices(letters, shares, k=random.randint(*cars) - len(letters))]
        random.shuffle(line)
        places = random.randint(*reach)
        order = fewest_switches(line, places)
        if changes(line, order) == changes(line, range(len(line))):
            return None
        question = {"colors": line, "reach": places, "switches": changes(line, order)}
        return question, str([car + 1 for car in order])

    def ask(self, question: Question) -> str:
        colors, reach = question["colors"], question["reach"]
        listed = ", ".join(f"{number} {color}" for number, color in enumerate(colors, start=1))
        return (
            f"The cars 1 to {len(colors)} wait in this order to be painted; a letter is the color of each:\n\n{listed}"
            f"\n\nReorder them. A car may end at most {reach} places before or after the place it has now: car i must "
            f"be painted at one of the places i - {reach} to i + {reach}. Whenever a car has another color than the "
            f"one painted just before it, the paint is switched. Find an order with as few switches as possible.\n\n"
            f"Give the numbers of all cars in their new order in a fenced code block, as a list in brackets, such as "
            f"`[2, 1, 3]`."
        )

    def judge(self, question: Question, answer: str) -> bool:
        numbers, colors = integers(answer), question["colors"]
        if numbers is None or sorted(numbers) != list(range(1, len(colors) + 1)):
            return False
        order = [number - 1 for number in numbers]
        near = all(abs(car - place) <= question["reach"] for place, car in enumerate(order))
        return near and changes(colors, order) == question["switches"]

    def canonical(self, question: Question) -> Any:
        """The colors renamed by first appearance, since their letters do not matter."""
        colors = question["colors"]
        return [[colors.index(color) for color in colors], question["reach"]]

    def meta(self, question: Question) -> dict[str, Any]:
        colors = question["colors"]
        return {
            "N": len(colors),
            "M": len({*colors}),
            "K": question["reach"],
            "car_ids": list(range(1, len(colors) + 1)),
            "colors": colors,
            "min_switches": question["switches"],
        }

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return integers(answer)

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """The fewest switches are computed here: upstream's number is often too large."""
        meta = record.get("meta")
        if not isinstance(meta, Mapping):
            return None
        colors, reach, cars = meta.get("colors"), meta.get("K"), meta.get("car_ids")
        if not isinstance(colors, list) or not 0 < len(colors) <= MOST_CARS or cars != list(range(1, len(colors) + 1)):
            return None
        if (
            any(not isinstance(color, str) for color in colors)
            or type(reach) is not int
            or not 0 <= reach <= MOST_REACH
        ):
            return None
        return {"colors": [*colors], "reach": reach, "switches": changes(colors, fewest_switches(colors, reach))}


def changes(colors: Sequence[str], order: Sequence[int]) -> int:
    """The number of neighbors of different color in this order of the cars, counted from 0."""
    return sum(colors[a] != colors[b] for a, b in pairwise(order))


def fewest_switches(colors: Sequence[str], reach: int) -> list[int]:
    """An order of the cars, counted from 0, with the fewest switches, in which each moves at most `reach` places.

    Cars of one color can keep their order: exchanging two that do not moves neither further than
    the further one was. Therefore the set of painted cars determines a partial order; for each set
    the search keeps the fewest switches and the last colors possible with them. A last color with more switches is not
    better, since any color can follow with one more switch.
    """
    layers: list[dict[int, tuple[int, list[str]]]] = [{0: (0, [])}]  # by set, as bits: switches, last colors
    for place in range(len(colors)):
        layer: dict[int, tuple[int, list[str]]] = {}
        for painted, (cost, lasts) in layers[-1].items():
            for color, car in candidates(colors, reach, place, painted).items():
                price, ends = layer.setdefault(painted | 1 << car, (len(colors) + 1, []))
                paid = cost + (color not in lasts)
                if paid < price:
                    layer[painted | 1 << car] = (paid, [color])
                elif paid == price and color not in ends:
                    ends.append(color)
        layers.append(layer)
    return retraced(colors, layers)


def candidates(colors: Sequence[str], reach: int, place: int, painted: int) -> dict[str, int]:
    """For each color the first car that may come to this place; if one cannot wait longer, only that one."""
    overdue = place - reach
    if overdue >= 0 and not painted >> overdue & 1:
        return {colors[overdue]: overdue}
    found: dict[str, int] = {}
    for car in range(max(0, overdue), min(len(colors), place + reach + 1)):
        if not painted >> car & 1:
            found.setdefault(colors[car], car)
    return found


def retraced(colors: Sequence[str], layers: list[dict[int, tuple[int, list[str]]]]) -> list[int]:
    """An order with the switches of the last layer, built from its end."""
    ((painted, (_, (color, *_))),) = layers[-1].items()
    order: list[int] = []
    for layer in reversed(layers[:-1]):
        car = max(car for car, other in enumerate(colors) if other == color and painted >> car & 1)
        order.append(car)
        painted ^= 1 << car
        _, lasts = layer[painted]
        color = color if color in lasts or not lasts else lasts[0]
    return order[::-1]


TASK = CarPainting()
