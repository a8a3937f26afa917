"""Checkpoints in a Trainer built in Python; runs of the command line: tests/test_resume.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch.utils.data import DataLoader

from app.advantages import PassOne
from app.module import RLVRModule
from app.scoring import InProcess
from app.types import ProblemBatch
from callbacks.rollout import RolloutCallback
from callbacks.saving.checkpoints import Checkpoints
from callbacks.schedule.schedule import StageSchedule
from callbacks.schedule.stages import Stage
from callbacks.triggers import Steps
from tests.conftest import EchoProblem, build_tiny_policy


def test_it_reads_the_state_before_others_change_it_wherever_it_is_given(tmp_path: Path) -> None:
    """The checkpoint that the second stage ends with has that stage."""
    batches: Any = [ProblemBatch([EchoProblem(letter)]) for letter in "abcd"]
    schedule = StageSchedule((Stage("one", PassOne(), Steps(1)), Stage("two", PassOne(), Steps(2))), save_stages=False)
    checkpoints, rollouts = Checkpoints(every=1), RolloutCallback(rollouts=2, scorer=InProcess())
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, callbacks=[rollouts, schedule, checkpoints], default_root_dir=tmp_path, **off
    )
    trainer.fit(RLVRModule(build_tiny_policy()), DataLoader(batches, batch_size=None))
    assert trainer.callbacks[0] is checkpoints  # type: ignore[attr-defined]
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert (saved["iteration"], saved["callbacks"]["StageSchedule"]["index"]) == (3, 1)


class OfEpochs(Callback):
    """Logs in every iteration, for means over an epoch, and once a metric of an iteration alone."""

    def __init__(self) -> None:
        self.means: list[float] = []
        self.once: list[bool] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        self.log("own/mean", float(pl_module.iteration), on_step=False, on_epoch=True, batch_size=1)
        if pl_module.iteration == 1:
            self.log("own/once", 1.0, batch_size=1)
        self.once.append("own/once" in trainer._logger_connector.metrics["log"])

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.means.append(float(trainer.callback_metrics["own/mean"]))


def test_metrics_over_an_epoch_are_of_all_its_iterations(tmp_path: Path) -> None:
    """And those of an iteration are not logged again in the next."""
    batches: Any = [ProblemBatch([EchoProblem(letter)]) for letter in "abc"]
    callbacks, own = [RolloutCallback(rollouts=2, scorer=InProcess()), Checkpoints()], OfEpochs()
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = Trainer(accelerator="cpu", max_epochs=2, callbacks=[*callbacks, own], default_root_dir=tmp_path, **off)
    trainer.fit(RLVRModule(build_tiny_policy(), PassOne()), DataLoader(batches, batch_size=None))
    assert own.means == [2.0, 5.0]
    assert own.once == [True] + [False] * 5
