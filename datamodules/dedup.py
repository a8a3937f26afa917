"""Strict deduplication: a problem occurs once, in one split, and what is tested is never trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from app.types import Problem

T = TypeVar("T")
ProblemT = TypeVar("ProblemT", bound=Problem)

PRECEDENCE = ("test", "validation", "train")
"""Where a problem stays that occurs in several splits: in the first of these."""


def deduplicate(splits: Mapping[str, Sequence[ProblemT]]) -> tuple[dict[str, list[ProblemT]], dict[str, int]]:
    """Keep the first of all problems that share a key, split by split in the order of precedence.

    Args:
        splits: problems by the name of their split; every name must be in `PRECEDENCE`.

    Returns:
        The splits, each in its own order, and how many problems were dropped from each.
    """
    seen: set[str] = set()
    kept = {name: list(unseen(splits[name], seen)) for name in PRECEDENCE if name in splits}
    return {name: kept[name] for name in splits}, {name: len(splits[name]) - len(kept[name]) for name in splits}


def deduplicate_sets(
    sets: Mapping[str, Mapping[str, T]], read: Callable[[str, str, T], Iterable[ProblemT]]
) -> tuple[dict[str, list[ProblemT]], dict[str, int]]:
    """The same of splits that are made of named sets, each read by `read(split, name, set)` in its turn."""
    return deduplicate(
        {split: [each for name in named for each in read(split, name, named[name])] for split, named in sets.items()}
    )


def unseen(problems: Iterable[ProblemT], seen: set[str]) -> Iterator[ProblemT]:
    """The problems whose key is not in `seen`, each added to it as it passes."""
    for problem in problems:
        if problem.key not in seen:
            seen.add(problem.key)
            yield problem
