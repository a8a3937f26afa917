"""Data module of the reasoning-gym library's tasks: `pip install -e '.[reasoning-gym]'`."""

from __future__ import annotations

import json
from typing import Any

from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate
from datamodules.reasoning_gym.problem import GymProblem, GymSet, built

APART = 1_000_000
"""The distance between the seeds of two splits: reasoning-gym generates an entry from the seed plus its index."""


class ReasoningGymDataModule(ProblemDataModule):
    """A mixture of reasoning-gym's data sets, deduplicated by question, duplicates stay in test.

    Its scorers give partial rewards: for an objective that needs rewards 0 and 1, wrap it in `app.advantages.Binary`.

    Args:
        tasks: the settings of each data set by its name, such as `{chain_sum: {max_terms: 3}}`.
        train: the number of problems of each task; seeds of splits are 1,000,000 apart, so that no two splits have
            an entry with the same seed.
        validation: the same for validation.
        test: the same for test.
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
        self.task_name = next(iter(tasks)) if len(tasks) == 1 else ""
        self.sizes = {"train": train, "validation": validation, "test": test}
        for split, size in self.sizes.items():
            if not 0 <= size <= APART:
                raise ValueError(f"{split}={size} must lie between 0 and {APART}")

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """The data sets of all tasks, for each split."""
        return deduplicate({split: self._draw(split, place) for place, split in enumerate(self.sizes)}, strict=True)

    def _draw(self, split: str, place: int) -> list[Problem]:
        problems: list[Problem] = []
        for name, settings in self.tasks.items() if self.sizes[split] else ():
            seed = APART * (3 * self.seed + place)
            source = GymSet(name, seed, self.sizes[split], json.dumps(settings))
            gym = built(source)
            problems += [GymProblem(source, gym[index]) for index in range(self.sizes[split])]
        return problems
