"""Problems from the tasks of the reasoning-gym library.

Its generators and scorers may raise: an answer for which a scorer raises, or returns no
number in [0, 1], is unscored (`app/scoring/scorers.py`). Some parse answers with sympy; train on them only if
that is acceptable.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from app.extras import needed
from app.types import Problem
from datamodules.enigmata.tasks.answers import FENCE, last_block
from datamodules.reasoning_gym.solvers import SOLVERS

FORMAT = "\n\nGive the final answer in a fenced code block (three backquotes before and after it)."


class GymSet(NamedTuple):
    """The arguments of a data set of the library; each process builds its own, since some cannot be pickled.

    Attributes:
        task: the data set's name.
        seed, size: see `reasoning_gym.create_dataset`.
        settings: its settings as JSON, so that data sets are hashable and comparable.
    """

    task: str
    seed: int
    size: int
    settings: str


@lru_cache(maxsize=256)
def built(source: GymSet) -> Any:
    """The data set, which generates entries and scores answers; ValueError for unknown tasks and settings."""
    library = needed("reasoning_gym", "reasoning-gym", f"the task {source.task}")  # few runs need it
    settings = json.loads(source.settings)
    try:
        return library.create_dataset(source.task, seed=source.seed, size=source.size, **settings)
    except (ValueError, TypeError, AssertionError) as error:
        raise ValueError(f"reasoning-gym's {source.task}: {error}") from None


@dataclass(frozen=True)
class GymProblem(Problem):
    """One entry of a data set of reasoning-gym.

    Args:
        source: the arguments of its data set, which scores.
        entry: its `question`, `answer` and `metadata`.
    """

    source: GymSet
    entry: dict[str, Any] = field(hash=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        built(self.source)  # now, not within the first answer's time limit

    @property
    def prompt(self) -> str:  # type: ignore[override]
        return self.entry["question"] + FORMAT

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"{self.label} {self.entry['question']}"

    @cached_property
    def solution(self) -> str:  # type: ignore[override]
        answer = self.entry["answer"]
        answer = solved(self.label, self.entry) if answer is None else answer
        return "" if answer is None else f"{FENCE}\n{answer}\n{FENCE}"

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.source.task

    def score(self, response: str) -> float:
        answer = self.extract_answer(response)
        if answer is None:
            return 0.0
        return float(built(self.source).score_answer(answer, self.entry))

    def extract_answer(self, response: str) -> str | None:
        """The last fenced block, which may be empty if that is the entry's answer."""
        answer = last_block(response)
        if answer is None and self.entry["answer"] == "" and ends_in_an_empty_block(response):
            return ""
        return answer


def ends_in_an_empty_block(response: str) -> bool:
    """Whether the last complete fenced block is empty, as the answers to some entries are."""
    pieces = response.split(FENCE)
    return len(pieces) > 2 and not pieces[-2 if len(pieces) % 2 else -3].strip()


def solved(task: str, entry: dict[str, Any]) -> str | None:
    """An answer to an entry without one; None if there is no solver for the task."""
    facts = entry["metadata"]
    solver = SOLVERS.get(facts.get("source_dataset", task))
    with suppress(KeyError):  # another version of the library
        return None if solver is None else solver(facts)
    return None
