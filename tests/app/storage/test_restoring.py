"""Which checkpoint a command without `ckpt_path` begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import OnExceptionCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from app.storage.restoring import Restoring


@pytest.fixture
def connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restoring:
    """In a SLURM job, in a folder where an earlier run has failed and another was requeued."""
    for name in ("SLURM_NTASKS", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "1")
    for name in ("hpc_ckpt_1", "on_exception"):
        (tmp_path / f"{name}.ckpt").touch()
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_progress_bar"), False)
    callback = OnExceptionCheckpoint(tmp_path)
    trainer = Trainer(accelerator="cpu", devices=1, default_root_dir=tmp_path, callbacks=[callback], **off)
    trainer.state.fn = TrainerFn.FITTING
    return Restoring(trainer)


@pytest.mark.parametrize("command", [*TrainerFn])
def test_what_another_run_has_left_is_not_taken_up(connector: Restoring, command: TrainerFn) -> None:
    for given in (None, "some.ckpt"):
        found = connector._parse_ckpt_path(command, given, model_provided=True, model_connected=True)
        assert found == given


@pytest.mark.parametrize(("command", "found"), [(TrainerFn.FITTING, "hpc_ckpt_1.ckpt"), (TrainerFn.VALIDATING, None)])
def test_a_requeued_job_goes_on(
    connector: Restoring, monkeypatch: pytest.MonkeyPatch, command: TrainerFn, found: str | None
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    path = connector._parse_ckpt_path(command, None, model_provided=True, model_connected=True)
    assert (path and Path(path).name) == found
