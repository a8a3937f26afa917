"""Lattice mazes: generation, counting, solving, and prompts as text or as a picture."""

from typing import TYPE_CHECKING

from datamodules.maze.lattice_maze import Maze, MazeProblem
from datamodules.maze.picture_prompts import BarePicturePrompt, InstructivePicturePrompt
from datamodules.maze.prompts import BarePrompt, GivenPrompt, InstructivePrompt, PromptStyle
from datamodules.on_demand import on_demand

if TYPE_CHECKING:
    from datamodules.maze.data_module import MazeDataModule

__all__ = [
    "BarePicturePrompt",
    "BarePrompt",
    "GivenPrompt",
    "InstructivePicturePrompt",
    "InstructivePrompt",
    "Maze",
    "MazeDataModule",
    "MazeProblem",
    "PromptStyle",
]

__getattr__ = on_demand(__name__, "data_module", ("MazeDataModule",))
