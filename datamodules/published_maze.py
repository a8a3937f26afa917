"""Data module of mazes in the authors' published format (RUC-AIBOX/Passk_Training_Maze)."""

from __future__ import annotations

from typing import Any

from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate
from datamodules.base.solutions import passing
from datamodules.maze.lattice_maze import MOVES_PER_SQUARE, GivenPrompt, MazeProblem, PromptStyle
from datamodules.maze.verl_format import GRID_KEYS, find_grid
from datamodules.sources import check_source, parse_rows, read_prompt, read_rows


class PublishedMazeDataModule(ProblemDataModule):
    """The authors' mazes, or any in their format; deduplicated by maze, duplicates stay in test.

    A source is a `.parquet` file, a `.jsonl` file, or a hub id `owner/name`, of which the hub's split of the same
    name is read unless one is given, as in `owner/name:train`.

    Args:
        train_path: source of the train split.
        validation_path: source of the validation split.
        test_path: source of the test split, or None for none.
        style: the prompt style of all mazes; None keeps the prompts of the data, answered in `<answer>` tags.
        moves_per_square: an answer with more characters per free square than this scores 0.
        seed: of the order of training.
        batch_size: P, mazes per iteration over all ranks.
        eval_batch_size: mazes per batch and rank in validation, test and prediction.

    Raises:
        ValueError: a source cannot be read; names the file and the row; for a missing file at construction.
    """

    def __init__(
        self,
        train_path: str,
        validation_path: str,
        test_path: str | None = None,
        style: PromptStyle | None = None,
        moves_per_square: int = MOVES_PER_SQUARE,
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        if moves_per_square < 1:
            raise ValueError(f"moves_per_square={moves_per_square} must be at least 1")
        self.sources = {"train": train_path, "validation": validation_path, "test": test_path}
        for source in self.sources.values():
            if source is not None:
                check_source(source)
        self.style = style
        self.moves_per_square = moves_per_square

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Every split read in the order of its source, then deduplicated."""
        return deduplicate({split: self._read(split, source) for split, source in self.sources.items()})

    def _read(self, split: str, source: str | None) -> list[Problem]:
        return [*parse_rows(source, read_rows(source, split), self._problem)] if source else []

    def _problem(self, row: Any) -> MazeProblem:
        grid = find_grid(row) if isinstance(row, dict) else None
        if grid is None:
            raise ValueError(f"no maze under any of {', '.join(GRID_KEYS)}")
        style = GivenPrompt(read_prompt(row.get("prompt"))) if self.style is None else self.style
        return passing(MazeProblem(grid, style, self.moves_per_square))
