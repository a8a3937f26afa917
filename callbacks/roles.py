"""Interfaces between callbacks: evaluation, schedule, replay, saving.

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
from callbacks.schedule.stages import Stage, StageSettings


class Evaluation(Callback):
    """Measures Pass@k in every validation.

    Attributes:
        history: the metrics of each validation of this run by name, such as "eval/pass@1", the oldest first.
        results: the contents of `results.json` for the last validation of each stage.
        curves: for each validation of `fit`, the oldest first, its "iteration", "stage", number of "problems" and, over
            all of them, "pass@k" for every k from 1.
        ks: the k of Pass@k over all problems.
        passed: which answers pass, by the key of each problem of the last validation on this process.
        shown: the first rollouts of the last validation, for display; None before the first one.
        asked: the evaluations of held-out problems.
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
    """Runs the stages.

    Attributes:
        stages: the stages in order.
        settings: the settings of each stage in this run; empty before `fit` has begun.
        finished: whether the last stage has ended.
        save_stages: whether the policy at each stage's end is saved.
        exported: the folder of the latest one saved in this process; None before the first.
    """

    stages: list[Stage]
    settings: list[StageSettings]
    finished: bool
    save_stages: bool
    exported: Path | None

    @property
    def iterations(self) -> int | None:
        """The iterations of all stages together; None if one has no fixed length."""
        raise NotImplementedError


class Replaying(Callback):
    """Trains on earlier rollouts again."""

    def check(self, stages: Sequence[StageSettings], module: RLVRModule) -> None:
        """Raise ValueError if replay would have wrong importance weights in a stage, or no effect in any."""
        raise NotImplementedError


class Saving(Callback):
    """Saves the run's checkpoints.

    Attributes:
        config: the run's configuration, as plain data.
        command: the command that started it; "" without one.
    """

    config: dict[str, Any]
    command: str
