"""What callbacks may ask of one another, whichever class it is that validates or that leads through the stages.

A callback finds another by its role (`callback_of`), so that none imports another's module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from app.module import RLVRModule
from app.types import Rollouts
from callbacks.evaluation.sets import Evaluated
from callbacks.schedule.stages import StageSettings


class Evaluation(Callback):
    """Measures Pass@k in every validation.

    Attributes:
        history: a record for each validation of this run, the oldest first: figures by name, such as "eval/pass@1".
        results: what `results.json` has of the last validation of each stage.
        curves: of each validation of `fit`, the oldest first, its "iteration", "stage", number of "problems" and, over
            all of them, "pass@k" for every k from 1 on.
        ks: of Pass@k over all problems.
        passed: of each problem of the last validation that this process has, by its key, which of its answers pass.
        shown: the first rollouts of the last validation, to be drawn and read; None before there is one.
        asked: the ways in which held-out problems are evaluated.
    """

    history: list[dict[str, Any]]
    results: list[dict[str, Any]]
    curves: list[dict[str, Any]]
    passed: dict[str, list[bool]]
    shown: Rollouts | None
    asked: tuple[Evaluated, ...]

    @property
    def ks(self) -> tuple[int, ...]:
        raise NotImplementedError


class Schedule(Callback):
    """Leads through the stages.

    Attributes:
        settings: what each stage trains with in this run; empty before `fit` has begun.
        finished: whether the last stage has ended.
        save_stages: whether each stage's end is kept on the disk.
        exported: the folder of the latest, in this process; None before there is one.
    """

    settings: list[StageSettings]
    finished: bool
    save_stages: bool
    exported: Path | None

    @property
    def iterations(self) -> int | None:
        """Of all stages together; None where one of them has no fixed length."""
        raise NotImplementedError


class Replaying(Callback):
    """Has earlier rollouts used again."""

    def check(self, stages: Sequence[StageSettings], module: RLVRModule) -> None:
        """Raise ValueError where what is replayed would not be weighed rightly in a stage, or has no effect in any."""
        raise NotImplementedError


class Saving(Callback):
    """Keeps the run's checkpoints.

    Attributes:
        config: of the run, as plain data.
        command: that began it; "" where it was no command.
    """

    config: dict[str, Any]
    command: str
