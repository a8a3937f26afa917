"""Joins several data modules: training on some of them, validation on all, with a name for each set."""

from __future__ import annotations

from collections.abc import Sequence

from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate
from datamodules.base.wrapped import NamedProblem


class SeveralDataModule(ProblemDataModule):
    """The problems of several data modules, deduplicated over all of them, duplicates stay in test.

    A set is reported by its name, and if it has parts (tasks, sizes, categories) by "<name>.<part>". The data
    modules' own batch sizes and seeds of the order are not used.

    Args:
        sets: data modules by the names under which their problems are reported.
        train: the sets whose train splits are used, concatenated; none for `validate`.
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: for an unknown name, or one with a "/" or a "." in it.
    """

    def __init__(
        self,
        sets: dict[str, ProblemDataModule],
        train: Sequence[str] = (),
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        if not sets:
            raise ValueError("sets must hold at least one data module")
        for name in sets:
            if not name or set(name) & set("/."):
                raise ValueError(f"the name {name!r} of a set must hold neither / nor .")
        for name in train:
            if name not in sets:
                raise ValueError(f"train: {name!r} must be one of the sets {', '.join(sets)}")
        self.sets, self.trained = sets, train
        self.task_name = "_".join(train)  # without sets that are only evaluated

    def prepare_data(self) -> None:
        for data in self.sets.values():
            data.prepare_data()

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """The splits of all sets, set by set."""
        loaded = {name: data.load_splits() for name, data in self.sets.items()}
        names = {"train": self.trained, "validation": list(loaded), "test": list(loaded)}
        joined = {
            split: [problem for name in names[split] for problem in named(name, loaded[name][0][split])]
            for split in names
        }
        splits, dropped = deduplicate(joined)
        before = {split: sum(loaded[name][1][split] for name in names[split]) for split in names}
        return splits, {split: dropped[split] + before[split] for split in names}


def named(name: str, problems: Sequence[Problem]) -> list[Problem]:
    """The problems of a split under the set's name, and by part of the set if it has several."""
    parts = {part for problem in problems for part in problem.sets}
    if len(parts) == 1:
        return [NamedProblem(problem, (name,)) for problem in problems]
    return [NamedProblem(problem, (name, *(f"{name}.{part}" for part in problem.sets))) for problem in problems]
