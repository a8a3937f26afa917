"""The 16 puzzle: shift whole rows and columns of sixteen tiles into order."""

from __future__ import annotations

from typing import ClassVar

from datamodules.enigmata.tasks.shifting import Shifting
from datamodules.enigmata.tasks.task import Levels


class SixteenPuzzle(Shifting):
    """Every board is solvable."""

    name = "sixteen_puzzle"
    size = 4
    shuffles = 20
    levels: ClassVar[Levels] = {
        "easy": ({"least": 0, "most": 45, "unsolvable": 0.0},),
        "medium": ({"least": 46, "most": 59, "unsolvable": 0.0},),
        "hard": ({"least": 60, "most": 100, "unsolvable": 0.0},),
    }


TASK = SixteenPuzzle()
