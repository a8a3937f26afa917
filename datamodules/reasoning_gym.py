"""Tasks of the reasoning-gym library as Problems: `pip install -e '.[reasoning-gym]'`.

Its generators and its scorers are its own, and not known to be total: an answer on which one raises, or gives no
number in [0, 1], is unscored (`app/scoring.py`). Some parse answers with sympy, so train on them only where
that is acceptable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from app.types import Problem
from datamodules.base import ProblemDataModule
from datamodules.dedup import deduplicate
from datamodules.puzzles.enigmata.answers import FENCE, last_block

APART = 1_000_000
"""Between the seeds of two splits: reasoning-gym draws an entry from the seed plus its index."""

FORMAT = "\n\nGive the final answer in a fenced code block (three backquotes before and after it)."


@dataclass(frozen=True)
class GymProblem(Problem):
    """One entry of a data set of reasoning-gym.

    Args:
        gym: the data set, which scores.
        entry: its `question`, `answer` and `metadata`.
        task: the data set's name.
    """

    gym: Any = field(repr=False, compare=False, hash=False)
    entry: dict[str, Any] = field(hash=False)
    task: str

    @property
    def prompt(self) -> str:  # type: ignore[override]
        return self.entry["question"] + FORMAT

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"{self.task} {self.entry['question']}"

    @property
    def solution(self) -> str:  # type: ignore[override]
        return f"{FENCE}\n{self.entry['answer']}\n{FENCE}"

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.task

    def score(self, response: str) -> float:
        answer = last_block(response)
        if answer is None:
            return 0.0
        return float(self.gym.score_answer(answer, self.entry))


class ReasoningGymDataModule(ProblemDataModule):
    """A mixture of reasoning-gym's data sets, deduplicated by question, test wins.

    Its scorers give partial rewards, so put `app.advantages.Binary` around an objective that knows 0 and 1 alone.

    Args:
        tasks: by the name of each data set, its own settings, such as `{chain_sum: {max_terms: 3}}`.
        train, validation, test: how many problems of each task; drawn from seeds so far apart that no
            entry is in two of them by its seed.
        seed: of the problems and of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: for a task or a setting that reasoning-gym does not know.
    """

    def __init__(
        self,
        tasks: dict[str, dict[str, Any]],
        train: int = 1000,
        validation: int = 64,
        test: int = 64,
        seed: int = 0,
        batch_size: int = 32,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        if not tasks:
            raise ValueError("tasks must name at least one data set of reasoning-gym")
        self.tasks = tasks
        self.sizes = {"train": train, "validation": validation, "test": test}
        for split, size in self.sizes.items():
            if not 0 <= size <= APART:
                raise ValueError(f"{split}={size} must lie between 0 and {APART}")

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Every task's data set, one for each split."""
        return deduplicate({split: self._draw(split, place) for place, split in enumerate(self.sizes)}, strict=True)

    def _draw(self, split: str, place: int) -> list[Problem]:
        library: Any = import_module("reasoning_gym")  # here, because few runs need it
        problems: list[Problem] = []
        for name, settings in self.tasks.items():
            if not self.sizes[split]:
                continue
            seed = APART * (3 * self.seed + place)
            try:
                gym = library.create_dataset(name, seed=seed, size=self.sizes[split], **settings)
            except (ValueError, TypeError, AssertionError) as error:
                raise ValueError(f"reasoning-gym's {name}: {error}") from None
            problems += [GymProblem(gym, gym[index], name) for index in range(self.sizes[split])]
        return problems
