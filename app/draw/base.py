"""Base classes of problem samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Protocol

import torch
from torch import Tensor

from app.draw.record import PassRecord
from app.seeds import generator_of


class Objective(Protocol):
    """A stage's objective by a problem's probability p to pass (`app/advantages/curves.py`)."""

    def share_informative(self, p: Tensor) -> Tensor:
        """The probability that a group of N rollouts has a non-zero advantage.  [..] -> [..]"""
        ...

    def expected_eta(self, p: Tensor) -> Tensor:
        """The expected sum of absolute advantages of a group (Eq. 16).  [..] -> [..]"""
        ...


@dataclass(frozen=True)
class Place:
    """The point of a run at which a batch is drawn.

    Args:
        seed: seed of the data module.
        position: number of problems drawn before, over all processes.
        batch: number of batches drawn before.
        objective: returns that of the current stage; None if there is none.
    """

    seed: int
    position: int
    batch: int
    objective: Callable[[], Objective | None] = lambda: None

    @property
    def sentence(self) -> str:
        """The text that seeds a draw."""
        return f"{self.seed}/draw/{self.position}"


class ProblemSampler(ABC):
    """Decides which problems a batch has. All processes make the same calls and get the same result.

    It has no state: its decisions depend only on the record and the place, which are in the checkpoint.

    Attributes:
        solved_at, failed_at: a draw counts as solved at a pass rate of at least solved_at, as failed at one of at most
            failed_at; the record counts consecutive ones of both.
    """

    solved_at: float = 1.0
    failed_at: float = 0.0

    @abstractmethod
    def draw(self, record: PassRecord, number: int, place: Place) -> list[int]:
        """The indices of this many problems."""

    @abstractmethod
    def others(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        """The indices of all problems in the order in which they may replace problems with zero advantages."""

    def figures(self, record: PassRecord, drawn: Tensor, place: Place) -> dict[str, float]:
        """Further metrics of a draw, besides those of all samplers.  drawn: [P] indices"""
        return {}

    def __repr__(self) -> str:
        names = [name for name in signature(type(self)).parameters if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


class Weighted(ProblemSampler):
    """Draws without replacement, in proportion to the weights of the remaining problems."""

    @abstractmethod
    def weights(self, record: PassRecord, place: Place) -> Tensor:
        """The weight of each problem, above 0.  [n] double"""

    def draw(self, record: PassRecord, number: int, place: Place) -> list[int]:
        return self._order(record, place.sentence, place)[:number]

    def others(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        return self._order(record, sentence, place)

    def _order(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        """All problems by log(u) / w with u uniform: the order of single draws (Efraimidis and Spirakis, 2006)."""
        uniform = torch.rand(len(record), generator=generator_of(sentence), dtype=torch.double)
        return (uniform.log() / self.weights(record, place)).argsort(descending=True, stable=True).tolist()

    def figures(self, record: PassRecord, drawn: Tensor, place: Place) -> dict[str, float]:
        weights = self.weights(record, place)
        return {"draw/weight": (weights[drawn].mean() / weights.mean()).item()}
