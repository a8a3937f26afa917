"""Why a run ended: the first of the Trainer's limits that is reached, or a callback."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Timer

from callbacks.saving.ending import why_ended


@pytest.mark.parametrize(
    ("duration", "why"),
    [
        (None, "trainer.should_stop was set"),
        ("00:01:00:00", "trainer.should_stop was set"),
        ("00:00:00:00", "trainer.max_time is over"),
    ],
)
def test_a_timer_ends_a_run_only_after_its_duration(duration: str | None, why: str) -> None:
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = Trainer(accelerator="cpu", max_epochs=-1, callbacks=[Timer(duration)], **off)
    assert why_ended(trainer) == why
