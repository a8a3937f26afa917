"""What all data modules share: splits, loaders, drawing, deduplication, the cache."""

from datamodules.base.chat import Chat
from datamodules.base.data_module import ProblemDataModule, PuzzleDataModule, check_fits
from datamodules.base.dedup import deduplicate, deduplicate_sets
from datamodules.base.generate import Puzzle

__all__ = [
    "Chat",
    "ProblemDataModule",
    "Puzzle",
    "PuzzleDataModule",
    "check_fits",
    "deduplicate",
    "deduplicate_sets",
]
