"""The 15 puzzle: slide fifteen tiles on a 4 x 4 board into order."""

from __future__ import annotations

from typing import ClassVar

from datamodules.enigmata.tasks.sliding import Sliding
from datamodules.enigmata.tasks.task import Levels


class FifteenPuzzle(Sliding):
    """One board in ten is unsolvable; so few that answering so for all boards does not pay."""

    name = "fifteen_puzzle"
    size = 4
    stages = (1, 1, 2)
    astar_weight = 4
    levels: ClassVar[Levels] = {
        "easy": ({"least": 0, "most": 45, "unsolvable": 0.1},),
        "medium": ({"least": 46, "most": 59, "unsolvable": 0.1},),
        "hard": ({"least": 60, "most": 100, "unsolvable": 0.1},),
    }


TASK = FifteenPuzzle()
