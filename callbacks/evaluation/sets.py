"""Validation sets, each with its own evaluation settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from lightning.pytorch import Trainer

from app.types import Problem, Rollouts, Sampling
from callbacks.lookup import problems_of


@dataclass(frozen=True)
class Settings:
    """Evaluation settings of a set of problems; those that are None are as for all other problems.

    Args:
        n: answers to each problem.
        ks: the k of each Pass@k; at most n.
        sampling: temperature, top_p and limits of the answers.
    """

    n: int | None = None
    ks: Sequence[int] | None = None
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Evaluated:
    """`Settings` in which nothing is None."""

    n: int
    ks: tuple[int, ...]
    sampling: Sampling

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n={self.n} must be at least 1")
        if not self.ks:
            raise ValueError("ks must name at least one k")
        for k in self.ks:
            if not 1 <= k <= self.n:
                raise ValueError(f"k={k} must lie between 1 and the n={self.n} answers to each problem")

    @property
    def greedy(self) -> Sampling:
        """Greedy decoding with the same limits."""
        return Sampling(0.0, max_new_tokens=self.sampling.max_new_tokens, stop_tokens=self.sampling.stop_tokens)

    def override(self, settings: Settings) -> Evaluated:
        """These settings, with those that a set has of its own replaced."""
        return Evaluated(
            self.n if settings.n is None else settings.n,
            self.ks if settings.ks is None else tuple(sorted(settings.ks)),
            self.sampling if settings.sampling is None else settings.sampling,
        )


ALL = ""
"""The label of all problems together."""

TOTAL = "all"
"""Their name in tables."""


class EvaluationSet:
    """Problems whose metrics are reported together.

    Args:
        label: the set's name.
        settings: the evaluation settings of its problems, one or several.
    """

    def __init__(self, label: str, settings: frozenset[Evaluated]) -> None:
        self.settings = next(iter(settings)) if len(settings) == 1 else None
        numbers = {each.n for each in settings}
        self.n = numbers.pop() if len(numbers) == 1 else None  # answers to each problem
        self.ks = tuple(sorted(set.intersection(*(set(each.ks) for each in settings))))
        if not self.ks:
            raise ValueError(f"sets: the ks of {label or 'all sets'} have none in common; give each the k 1")


class EvaluationPlan:
    """The evaluation settings of each problem.

    Args:
        default: for all problems of no set in `by_name`.
        by_name: by the name of a set, as in a problem's `sets`; if several apply, the first one decides.
    """

    def __init__(self, default: Evaluated, by_name: Mapping[str, Settings]) -> None:
        self.default = default
        self.by_name: dict[str, Evaluated] = {}
        for name, settings in by_name.items():
            try:
                self.by_name[name] = default.override(settings)
            except ValueError as error:
                raise ValueError(f"sets, {name}: {error}") from None

    def of(self, problem: Problem) -> Evaluated:
        """The evaluation settings of a problem."""
        return next((self.by_name[name] for name in problem.sets if name in self.by_name), self.default)

    def parts(self, problems: Iterable[Problem]) -> dict[Evaluated, list[Problem]]:
        """The problems by their evaluation settings, in the order in which the settings were given."""
        parts: dict[Evaluated, list[Problem]] = {settings: [] for settings in (self.default, *self.by_name.values())}
        for problem in problems:
            parts[self.of(problem)].append(problem)
        return {settings: part for settings, part in parts.items() if part}

    def sets(self, problems: Iterable[Problem]) -> dict[str, EvaluationSet]:
        """The sets by name; all problems have the name "".

        Raises:
            ValueError: for a name in `by_name` that no set has, a set without a k common to all its problems, and a
                name that is not one line of text, or is that of all problems.
        """
        settings_of: dict[str, set[Evaluated]] = {}
        for problem in problems:
            for label in problem.sets:
                if not label.strip() or not label.isprintable():
                    raise ValueError(
                        f"the name {label!r} of a set must be a line of text: figures are reported under it"
                    )
                if label == TOTAL:
                    raise ValueError(
                        f"the name {label!r} of a set is that of all problems in results.md: rename the set"
                    )
                if "reward" in label.split("/"):
                    raise ValueError(
                        f"the name {label!r} of a set: means of rewards are reported under 'reward/': rename the set"
                    )
            for label in (ALL, *problem.sets):
                settings_of.setdefault(label, set()).add(self.of(problem))
        for name in self.by_name:
            if settings_of and name not in settings_of:
                raise ValueError(f"sets: {name!r} must be one of {', '.join(sorted(settings_of.keys() - {ALL}))}")
        return {label: EvaluationSet(label, frozenset(settings)) for label, settings in settings_of.items()}


def held_out(trainer: Trainer) -> list[Problem]:
    """The problems of the validation and the test split; [] if the data module has no splits."""
    return [*problems_of(trainer, "validation"), *problems_of(trainer, "test")]


def shown_sets(labels: Iterable[str]) -> list[str]:
    """All problems, then each set; a single set is equal to all problems and is left out."""
    labels = sorted(labels)
    return [ALL] if len(labels) == 2 else labels


def by_set(rollouts: Rollouts) -> Iterator[tuple[str, Rollouts]]:
    """All problems, then those of each set."""
    yield ALL, rollouts
    names = [problem.sets for problem in rollouts.problems]
    for label in sorted({*chain(*names)}):
        yield label, rollouts.select(torch.tensor([row for row, sets in enumerate(names) if label in sets]))
