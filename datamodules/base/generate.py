"""The base class of puzzles, and generation of distinct problems; every draw has its own seed.

The seed of a draw is `seed/split/label/index`, so that results depend neither on the order of drawing nor on the number
of workers. A draw that repeats an earlier problem is dropped and a later index used: test is generated first,
then validation, then train, so that a repeated problem stays in test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from app.types import Problem
from datamodules.base.dedup import PRECEDENCE

ProblemT = TypeVar("ProblemT", bound=Problem)


class Puzzle(ABC, Generic[ProblemT]):
    """Generates problems of one kind and difficulty; equal puzzles generate the same problems.

    Attributes:
        patience: draws in a row without a new problem after which a puzzle of unknown capacity counts as exhausted.
    """

    patience: ClassVar[int] = 200_000

    @property
    @abstractmethod
    def label(self) -> str:
        """The name of the difficulty; part of the seed of each draw."""

    @abstractmethod
    def generate(self, random: Random) -> ProblemT | None:
        """Generate one problem, using only `random`; None if this draw does not meet the puzzle's conditions."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """The plain values on which the generated problems depend; part of the cache's key."""

    @abstractmethod
    def dump(self, problem: ProblemT) -> Any:
        """A problem as plain data for JSON."""

    @abstractmethod
    def load(self, data: Any) -> ProblemT:
        """The problem from the data of `dump`."""

    def capacity(self) -> int | None:
        """The exact number of distinct problems; None if it is unknown."""
        return None


Plan: TypeAlias = Mapping[str, Sequence[tuple[Puzzle[Any], int]]]
"""For each split its puzzles and the number of problems of each."""


def check_plan(plan: Plan) -> None:
    """Raise ValueError for a negative count, or for more problems of a puzzle than exist."""
    asked: Counter[Puzzle[Any]] = Counter()
    for split, shares in plan.items():
        for puzzle, number in shares:
            if number < 0:
                raise ValueError(f"{split}: the count {number} of {puzzle.label} must be at least 0")
            asked[puzzle] += number
    for puzzle, number in asked.items():
        capacity = puzzle.capacity() if number else None
        if capacity is not None and number > capacity:
            raise ValueError(
                f"{number} distinct {puzzle.label} problems are asked for over all splits, but only {capacity} exist"
            )


def generate(plan: Plan, seed: int, taken: Collection[str] = ()) -> tuple[dict[str, list[Problem]], dict[str, int]]:
    """Generate the splits of a plan without taken keys.  -> the splits, and the numbers of repeats dropped

    Raises:
        ValueError: a puzzle of unknown capacity gives no new problem in `patience` draws.
    """
    seen = set(taken)
    splits: dict[str, list[Problem]] = {split: [] for split in plan}
    dropped = dict.fromkeys(plan, 0)
    for split in (name for name in PRECEDENCE if name in plan):
        for puzzle, number in plan[split]:
            problems, repeats = draw_distinct(puzzle, number, f"{seed}/{split}/{puzzle.label}", seen)
            splits[split] += problems
            dropped[split] += repeats
    return splits, dropped


def draw_distinct(puzzle: Puzzle[Any], number: int, sentence: str, seen: set[str]) -> tuple[list[Problem], int]:
    """Generate `number` problems whose keys are not in `seen`, and add them; also the number of repeats dropped.

    If the capacity is known, `check_plan` has checked that enough problems exist, and drawing continues
    until they are found.
    """
    problems: list[Problem] = []
    repeats = last_new = 0
    for index in count():
        if len(problems) == number:
            break
        if index - last_new > puzzle.patience and puzzle.capacity() is None:
            raise ValueError(
                f"{number} distinct {puzzle.label} problems are asked for under {sentence}, but only {len(problems)} "
                f"were found: {puzzle.patience} further draws gave nothing new"
            )
        problem = puzzle.generate(Random(f"{sentence}/{index}"))
        if problem is None:
            continue
        if problem.key in seen:
            repeats += 1
            continue
        seen.add(problem.key)
        problems.append(problem)
        last_new = index
    return problems, repeats
