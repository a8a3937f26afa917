"""Your own puzzles: a class that generates and scores problems, and their data module."""

from typing import TYPE_CHECKING

from datamodules.on_demand import on_demand
from datamodules.puzzle.scored import ScoredPuzzle

if TYPE_CHECKING:
    from datamodules.puzzle.data_module import PuzzlesDataModule, Share

__all__ = [
    "PuzzlesDataModule",
    "ScoredPuzzle",
    "Share",
]

__getattr__ = on_demand(__name__, "data_module", ("PuzzlesDataModule", "Share"))
