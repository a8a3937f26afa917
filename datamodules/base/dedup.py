"""Deduplication: a problem occurs in one split, and what is tested is never trained on.

What is trained on occurs once there. A held-out set keeps its own repeats, so that its figures are over the set as it
was published; each repeat is sampled by random numbers of its own and counts as a problem.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TypeVar

from app.distributed.processes import rank
from app.types import Problem
from datamodules.base.wrapped import RepeatedProblem

log = logging.getLogger(__name__)

T = TypeVar("T")

PRECEDENCE = ("test", "validation", "train")
"""Where a problem stays that occurs in several splits: in the first of these."""


def deduplicate(
    splits: Mapping[str, Sequence[Problem]], strict: bool = False
) -> tuple[dict[str, list[Problem]], dict[str, int]]:
    """Leave each key to one split, the first in the order of precedence that has it, and once to train.

    Of problems that were read, those too are left to the first split that differ by white space alone and have the
    same answer: copies of a published question do. With another answer they are other problems, and stay.

    Args:
        splits: problems by the name of their split; every name must be in `PRECEDENCE`.
        strict: whether held-out splits lose their repeats too, as generated ones do.

    Returns:
        The splits, each in its own order, and how many problems were dropped from each.
    """
    seen: set[str] = set()
    copies: set[str] = set()
    kept: dict[str, list[Problem]] = {}
    for name in (name for name in PRECEDENCE if name in splits):
        new = (problem for problem in splits[name] if problem.key not in seen)
        fresh = [problem for problem in new if not (problem.origin and _squeezed(problem.identity) in copies)]
        seen |= {problem.key for problem in fresh}
        copies |= {_squeezed(problem.identity) for problem in fresh if problem.origin and name != "train"}
        kept[name] = [*(distinct(fresh) if strict or name == "train" else renamed(fresh))]
    if rank() == 0:
        warn_of_near_duplicates(kept)
    return {name: kept[name] for name in splits}, {name: len(splits[name]) - len(kept[name]) for name in splits}


def deduplicate_sets(
    sets: Mapping[str, Mapping[str, T]], read: Callable[[str, str, T], Iterable[Problem]]
) -> tuple[dict[str, list[Problem]], dict[str, int]]:
    """The same of splits that are made of named sets, each read by `read(split, name, set)` in its turn."""
    return deduplicate(
        {split: [each for name in named for each in read(split, name, named[name])] for split, named in sets.items()}
    )


def distinct(problems: Iterable[Problem]) -> Iterator[Problem]:
    """The first problem of each key."""
    seen: set[str] = set()
    for problem in problems:
        if problem.key not in seen:
            seen.add(problem.key)
            yield problem


def renamed(problems: Iterable[Problem]) -> Iterator[Problem]:
    """All problems, those whose key was there before under another one."""
    seen: set[str] = set()
    for problem in problems:
        if problem.key in seen:
            repeats = (RepeatedProblem(problem, number) for number in count(2))
            problem = next(repeat for repeat in repeats if repeat.key not in seen)
        seen.add(problem.key)
        yield problem


def warn_of_near_duplicates(splits: Mapping[str, Sequence[Problem]]) -> None:
    """Warn of what is trained on and differs from held-out problems by white space and answer, where they were read."""
    held_out = [problem for name in splits if name != "train" for problem in splits[name] if problem.origin]
    keys = {_squeezed(problem.key) for problem in held_out}
    near = [each for each in splits.get("train", ()) if keys and each.origin and _squeezed(each.key) in keys]
    if near:
        log.warning(
            "%d problems of train differ from held-out ones by white space and the answer alone, and are trained on; "
            "the first: %s",
            len(near),
            near[0].origin,
        )


def _squeezed(text: str) -> str:
    return "".join(text.split())
