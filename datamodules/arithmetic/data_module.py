"""Data module of generated arithmetic problems; each level of difficulty is a set."""

from __future__ import annotations

from pathlib import Path

from datamodules.arithmetic.problems import LARGEST, QUESTION, Arithmetic
from datamodules.base.data_module import PuzzleDataModule

TRAIN, VALIDATION, TEST = {"addition": 150}, {"addition": 32}, {}


class ArithmeticDataModule(PuzzleDataModule):
    """Generated arithmetic of several levels, distinct within and across splits.

    Args:
        train: the number of training problems of each level (a name of `FORMS`).
        validation: the number of validation problems of each level.
        test: the number of test problems of each level; may be empty.
        largest: operands are drawn from 1 to this number.
        question: the question, with {expression} in it.
        seed: of the problems and of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.
        cache_dir: folder for generated problems; None: `$XDG_CACHE_HOME/passk` or `~/.cache/passk`.

    Raises:
        ValueError: with the value and its bound, for an unknown level, a negative count, an empty train or
            validation split, and more problems than exist.
    """

    def __init__(
        self,
        train: dict[str, int] = TRAIN,
        validation: dict[str, int] = VALIDATION,
        test: dict[str, int] = TEST,
        largest: int = LARGEST,
        question: str = QUESTION,
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
        cache_dir: str | Path | None = None,
    ) -> None:
        def problems(counts: dict[str, int]) -> list[tuple[Arithmetic, int]]:
            return [(Arithmetic(level, largest, question), number) for level, number in counts.items()]

        plan = {"train": problems(train), "validation": problems(validation), "test": problems(test)}
        super().__init__(plan, seed, batch_size, eval_batch_size, cache_dir)
