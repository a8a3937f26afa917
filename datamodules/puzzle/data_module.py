"""Data module of your own puzzles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datamodules.base.data_module import PuzzleDataModule
from datamodules.base.generate import Puzzle


@dataclass(frozen=True)
class Share:
    """The numbers of a puzzle's problems in each split.

    Args:
        puzzle: generates the problems.
        train: the number of problems in the train split, at least 0.
        validation: the same for validation.
        test: the same for test.
    """

    puzzle: Puzzle
    train: int = 0
    validation: int = 0
    test: int = 0


class PuzzlesDataModule(PuzzleDataModule):
    """Generated problems of one or several puzzles, distinct within and across splits, cached on disk.

    Args:
        puzzles: each with its number of problems in each split; a set is reported under its puzzle's label.
        seed: of the problems and of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.
        cache_dir: folder for generated problems; None: `$XDG_CACHE_HOME/passk` or `~/.cache/passk`.

    Raises:
        ValueError: for two puzzles with the same label, a negative count, an empty train or validation split, more
            problems than exist, or a batch larger than the train split.
    """

    def __init__(
        self,
        puzzles: list[Share],
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
        cache_dir: str | Path | None = None,
    ) -> None:
        check_labels([share.puzzle.label for share in puzzles])
        plan = {
            split: [(share.puzzle, getattr(share, split)) for share in puzzles]
            for split in ("train", "validation", "test")
        }
        super().__init__(plan, seed, batch_size, eval_batch_size, cache_dir)
        self.task_name = puzzles[0].puzzle.label if len(puzzles) == 1 else ""


def check_labels(labels: Sequence[str]) -> None:
    """Raise ValueError for equal labels: such puzzles would have the same seeds, and be reported as one."""
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"puzzles: two are labelled {label!r}; give each a label of its own")
