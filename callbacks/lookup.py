"""How a callback finds what belongs to the run: another callback, the data module's problems, the stage's name."""

from __future__ import annotations

from typing import Any, TypeVar

from lightning.pytorch import Callback, Trainer

from app.module import RLVRModule
from app.types import Problem

CallbackT = TypeVar("CallbackT", bound=Callback)


def callback_of(trainer: Trainer, kind: type[CallbackT]) -> CallbackT | None:
    """The run's first callback of this class; None where there is none."""
    return next((each for each in trainer.callbacks if isinstance(each, kind)), None)  # type: ignore[attr-defined]


def splits_of(trainer: Trainer) -> dict[str, list[Problem]]:
    """The data module's problems by split; empty where it keeps none, or there is no data module."""
    return getattr(getattr(trainer, "datamodule", None), "splits", {})


def problems_of(trainer: Trainer, split: str) -> list[Problem]:
    """Those of one split; empty where there is none."""
    return splits_of(trainer).get(split) or []


def predict_on(trainer: Trainer, split: str) -> None:
    """Have `predict` answer a split; ValueError where the data module has its own and it is not the test split's."""
    data: Any = getattr(trainer, "datamodule", None)
    if hasattr(data, "predict_split"):
        data.predict_split = split
    elif split != "test":
        raise ValueError(f"predict_split={split} has no effect on {type(data).__name__}, which is no ProblemDataModule")


def batch_size_of(trainer: Trainer) -> int | None:
    """P, problems of an iteration; None where the data module does not say."""
    return getattr(getattr(trainer, "datamodule", None), "batch_size", None)


def stage_name(trainer: Trainer) -> str:
    """The stage that is trained, or the command where none is."""
    fn = trainer.state.fn
    stage = RLVRModule.of(trainer.lightning_module).stage if fn == "fit" else ""
    return stage or str(fn and fn.value)
