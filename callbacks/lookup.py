"""Lookups for callbacks: another callback of the run, the data module's problems, the stage's name."""

from __future__ import annotations

from typing import Any, TypeVar

from lightning.pytorch import Callback, Trainer

from app.module import RLVRModule
from app.types import Problem

CallbackT = TypeVar("CallbackT", bound=Callback)


def callback_of(trainer: Trainer, kind: type[CallbackT]) -> CallbackT | None:
    """The run's first callback of this class; None if there is none."""
    return next((each for each in trainer.callbacks if isinstance(each, kind)), None)  # type: ignore[attr-defined]


def splits_of(trainer: Trainer) -> dict[str, list[Problem]]:
    """The data module's problems by split; empty if it has none, or there is no data module."""
    return getattr(getattr(trainer, "datamodule", None), "splits", {})


def problems_of(trainer: Trainer, split: str) -> list[Problem]:
    """The problems of one split; empty if there is none."""
    return splits_of(trainer).get(split) or []


def predict_on(trainer: Trainer, split: str) -> None:
    """Set the split that `predict` uses; ValueError if the data module allows only the test split."""
    data: Any = getattr(trainer, "datamodule", None)
    if hasattr(data, "predict_split"):
        data.predict_split = split
    elif split != "test":
        raise ValueError(f"predict_split={split} has no effect on {type(data).__name__}, which is no ProblemDataModule")


def batch_size_of(trainer: Trainer) -> int | None:
    """P, problems of an iteration; None if the data module has no such value."""
    return getattr(getattr(trainer, "datamodule", None), "batch_size", None)


def stage_name(trainer: Trainer) -> str:
    """The name of the current stage, or the command if there is none."""
    fn = trainer.state.fn
    stage = RLVRModule.of(trainer.lightning_module).stage if fn == "fit" else ""
    return stage or str(fn and fn.value)
