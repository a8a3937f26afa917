"""How callbacks find one another."""

from __future__ import annotations

from typing import TypeVar

from lightning.pytorch import Callback, Trainer

CallbackT = TypeVar("CallbackT", bound=Callback)


def callback_of(trainer: Trainer, kind: type[CallbackT]) -> CallbackT | None:
    """The run's first callback of this class; None where there is none."""
    return next((each for each in trainer.callbacks if isinstance(each, kind)), None)  # type: ignore[attr-defined]
