"""The 8 puzzle: slide eight tiles on a 3 x 3 board into order."""

from __future__ import annotations

from typing import ClassVar

from datamodules.enigmata.tasks.sliding import Sliding
from datamodules.enigmata.tasks.task import Levels


class EightPuzzle(Sliding):
    """Every generated board is solvable, like all of upstream's."""

    name = "eight_puzzle"
    size = 3
    stages = (3,)
    astar_weight = 2
    levels: ClassVar[Levels] = {
        "easy": ({"least": 0, "most": 10, "unsolvable": 0.0},),
        "medium": ({"least": 12, "most": 16, "unsolvable": 0.0},),
        "hard": ({"least": 18, "most": 100, "unsolvable": 0.0},),
    }


TASK = EightPuzzle()
