"""One line before the first iteration; and a warning where the disk will be full."""

from __future__ import annotations

import logging
from collections import namedtuple
from pathlib import Path

import pytest

from tests.conftest import BY_LENGTH, CommandLine, callback, stage, steps

LOG = "callbacks.display.disk_estimate"


def test_a_run_writes_what_it_says(passk: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    """With a policy so large that its weights are most of every file: no more than a tenth apart."""
    shape = {"hidden_size": 128, "intermediate_size": 512}
    stages = [stage(name, BY_LENGTH, until=steps(1)) for name in ("one", "two")]
    with caplog.at_level(logging.INFO, LOG):
        cli = passk.fit(stages, model={"policy": {"init_args": shape}})
    disk, folder = callback(cli, "DiskEstimate").disk, Path(cli.trainer.log_dir)
    assert any(record.getMessage().startswith(str(disk)) for record in caplog.records)
    written = [*folder.rglob("*.ckpt"), *folder.rglob("model.safetensors")]
    assert len(written) == disk.checkpoints + disk.exports == 4 + 3
    assert (folder / "checkpoints/last.ckpt").stat().st_size == pytest.approx(disk.checkpoint, rel=0.1)
    assert (folder / "stages/1-one/model.safetensors").stat().st_size == pytest.approx(disk.export, rel=0.1)
    assert sum(path.stat().st_size for path in written) == pytest.approx(disk.most - disk.checkpoint, rel=0.1)


def test_a_full_disk_is_foretold(
    passk: CommandLine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")(0, 0, 1000)
    monkeypatch.setattr("callbacks.display.disk_estimate.shutil.disk_usage", lambda folder: usage)
    with caplog.at_level(logging.WARNING, LOG):
        passk.fit([stage("one", BY_LENGTH, until=steps(1))])
    (said,) = [record.getMessage() for record in caplog.records if record.name == LOG]
    assert "this is more than the 1e-06 GB that are free in" in said
    assert "schedule.save_stages=false" in said
