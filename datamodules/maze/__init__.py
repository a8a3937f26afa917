"""Mazes of a lattice: drawn, counted, walked, and asked as text or as a picture."""

from datamodules.maze.data_module import MazeDataModule
from datamodules.maze.lattice_maze import Maze, MazeProblem
from datamodules.maze.picture_prompts import BarePicturePrompt, InstructivePicturePrompt
from datamodules.maze.prompts import BarePrompt, GivenPrompt, InstructivePrompt, PromptStyle

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
