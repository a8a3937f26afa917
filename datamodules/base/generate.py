"""What a puzzle is, and drawing distinct problems from puzzles; every draw is seeded by a sentence of its own.

The sentence of a draw is `seed/split/label/index`, so that neither the order of drawing nor the number of workers
matters. A draw that repeats an earlier problem is dropped and a later index takes its place: test is drawn first,
then validation, then train, so that test wins.
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
    """Makes problems of one kind and difficulty; two equal puzzles make the same problems.

    Attributes:
        patience: draws in a row without a new problem, after which a puzzle of unknown capacity is exhausted.
    """

    patience: ClassVar[int] = 200_000

    @property
    @abstractmethod
    def label(self) -> str:
        """Names the difficulty; part of the sentence that seeds each draw."""

    @abstractmethod
    def generate(self, random: Random) -> ProblemT | None:
        """One problem, drawn from `random` alone; None where this draw met no demand of the puzzle."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """The plain values that decide which problems come out: the cache is keyed by them."""

    @abstractmethod
    def dump(self, problem: ProblemT) -> Any:
        """A problem as plain data, fit for JSON."""

    @abstractmethod
    def load(self, data: Any) -> ProblemT:
        """The problem that `dump` wrote."""

    def capacity(self) -> int | None:
        """How many distinct problems exist, exactly; None where that is unknown."""
        return None


Plan: TypeAlias = Mapping[str, Sequence[tuple[Puzzle[Any], int]]]
"""Of each split, its puzzles and how many problems of each."""


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
    """The splits of a plan without problems whose keys are taken, and how many draws of each were dropped as repeats.

    Raises:
        ValueError: where a puzzle whose capacity is unknown yields nothing new for its `patience`.
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
    """`number` problems whose keys are not in `seen` (they are added), and how many repeats were dropped.

    Where the capacity is known, `check_plan` has seen that enough problems exist, and drawing goes on
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
