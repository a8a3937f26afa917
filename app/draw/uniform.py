"""A sampler that draws every problem equally often."""

from __future__ import annotations

from random import Random

from app.draw.base import Place, ProblemSampler
from app.draw.record import PassRecord


class Uniform(ProblemSampler):
    """Draws every problem once per epoch, each epoch in a new order; a batch may span two epochs."""

    def __init__(self) -> None:
        self._order: tuple[tuple[int, int, int], list[int]] = ((-1, -1, -1), [])

    def draw(self, record: PassRecord, number: int, place: Place) -> list[int]:
        return [self._at(len(record.problems), position, place.seed) for position in _from(place.position, number)]

    def others(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        number = len(record.problems)
        return Random(sentence).sample(range(number), number)

    def _at(self, number: int, position: int, seed: int) -> int:
        epoch, index = divmod(position, number)
        if self._order[0] != (seed, number, epoch):
            order = list(range(number))
            Random(f"{seed}/order/{epoch}").shuffle(order)
            self._order = ((seed, number, epoch), order)
        return self._order[1][index]


def _from(position: int, number: int) -> range:
    return range(position, position + number)
