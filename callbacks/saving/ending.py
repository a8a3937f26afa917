"""Why a run ended before its schedule."""

from __future__ import annotations

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Timer

from callbacks.lookup import callback_of


def why_ended(trainer: Trainer) -> str:
    """What stopped training: an argument of the Trainer, or a callback."""
    loop, timer = trainer.fit_loop, callback_of(trainer, Timer)
    left = None if timer is None else timer.time_remaining()  # None for one without a duration
    early = [each.stopping_reason_message for each in trainer.early_stopping_callbacks if each.stopping_reason.value]
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        return f"trainer.fast_dev_run={trainer.fast_dev_run}"  # type: ignore[attr-defined]
    if 0 <= loop.epoch_loop.max_steps <= trainer.global_step:
        return f"trainer.max_steps={loop.epoch_loop.max_steps} is reached, which counts updates"
    if loop.max_epochs is not None and 0 <= loop.max_epochs <= trainer.current_epoch:
        return f"trainer.max_epochs={loop.max_epochs} is reached"
    if left is not None and left <= 0:
        return "trainer.max_time is over"
    return " ".join(str(early[0]).split()) if early else "trainer.should_stop was set"
