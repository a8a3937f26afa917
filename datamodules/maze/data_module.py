"""Data module of generated lattice mazes."""

from __future__ import annotations

from pathlib import Path

from datamodules.base.data_module import PuzzleDataModule
from datamodules.maze.lattice_maze import MOVES_PER_SQUARE, BarePrompt, Maze, PromptStyle

TRAIN, VALIDATION, TEST = {7: 8000}, {7: 128}, {7: 256}


class MazeDataModule(PuzzleDataModule):
    """Generated mazes of several sizes, distinct within and across splits.

    The paper trains on sizes 9, 11, 13, 15 and tests on 7 to 21 (Appendix A.1).

    Args:
        train: of each size, how many mazes to train on.
        validation: of each size, how many mazes to validate on.
        test: of each size, how many mazes to test on; may be empty.
        loop_rate: share in [0, 1] of the walls left by a spanning tree that are opened too; 0 gives perfect mazes.
        min_distance: the least number of steps of the shortest path from S to E.
        style: the format of prompts and answers; None: `BarePrompt()`.
        moves_per_square: an answer with more characters per free square than this scores 0.
        seed: of the mazes and of the order of training.
        batch_size: P, mazes per iteration over all ranks.
        eval_batch_size: mazes per batch and rank in validation, test and prediction.
        cache_dir: folder for generated mazes; None: `$XDG_CACHE_HOME/passk` or `~/.cache/passk`.

    Raises:
        ValueError: naming the value and its bound, for an even size or one below 5, a negative count, an empty
            train or validation split, more mazes than exist, and values out of range.
    """

    def __init__(
        self,
        train: dict[int, int] = TRAIN,
        validation: dict[int, int] = VALIDATION,
        test: dict[int, int] = TEST,
        loop_rate: float = 0.0,
        min_distance: int = 1,
        style: PromptStyle | None = None,
        moves_per_square: int = MOVES_PER_SQUARE,
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
        cache_dir: str | Path | None = None,
    ) -> None:
        def mazes(counts: dict[int, int]) -> list[tuple[Maze, int]]:
            return [
                (Maze(size, loop_rate, min_distance, style or BarePrompt(), moves_per_square), number)
                for size, number in counts.items()
            ]

        plan = {"train": mazes(train), "validation": mazes(validation), "test": mazes(test)}
        super().__init__(plan, seed, batch_size, eval_batch_size, cache_dir)
