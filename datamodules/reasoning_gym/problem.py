"""Tasks of the reasoning-gym library as Problems.

Its generators and its scorers are its own, and not known to be total: an answer on which one raises, or gives no
number in [0, 1], is unscored (`app/scoring/scorers.py`). Some parse answers with sympy, so train on them only where
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
    """What a data set of the library is built from, in each process that needs it: some can't be pickled.

    Attributes:
        task: its name.
        seed, size: see `reasoning_gym.create_dataset`.
        settings: its own settings as JSON, so that sets can be told apart.
    """

    task: str
    seed: int
    size: int
    settings: str


@lru_cache(maxsize=256)
def built(source: GymSet) -> Any:
    """The data set, which draws entries and scores answers; ValueError for what the library does not know."""
    library = needed("reasoning_gym", "reasoning-gym", f"the task {source.task}")  # here, because few runs need it
    settings = json.loads(source.settings)
    try:
        return library.create_dataset(source.task, seed=source.seed, size=source.size, **settings)
    except (ValueError, TypeError, AssertionError) as error:
        raise ValueError(f"reasoning-gym's {source.task}: {error}") from None


@dataclass(frozen=True)
class GymProblem(Problem):
    """One entry of a data set of reasoning-gym.

    Args:
        source: what its data set, which scores, is built from.
        entry: its `question`, `answer` and `metadata`.
    """

    source: GymSet
    entry: dict[str, Any] = field(hash=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        built(self.source)  # on arrival, so that the first answer's time is not spent on it

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
        """The last fenced block, which may be empty where that is the answer to the entry."""
        answer = last_block(response)
        if answer is None and self.entry["answer"] == "" and ends_in_an_empty_block(response):
            return ""
        return answer


def ends_in_an_empty_block(response: str) -> bool:
    """Whether the last complete fenced block holds nothing, which is the answer to some entries."""
    pieces = response.split(FENCE)
    return len(pieces) > 2 and not pieces[-2 if len(pieces) % 2 else -3].strip()


def solved(task: str, entry: dict[str, Any]) -> str | None:
    """An answer to an entry that has none; None where no solver is known."""
    facts = entry["metadata"]
    solver = SOLVERS.get(facts.get("source_dataset", task))
    with suppress(KeyError):  # of another version of the library
        return None if solver is None else solver(facts)
    return None
