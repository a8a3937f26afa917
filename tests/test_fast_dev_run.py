"""`trainer.fast_dev_run` tries everything and leaves no files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import BY_LENGTH, CommandLine, stage, steps


def files(folder: Path) -> dict[Path, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("overlay-")]
    return {path: path.read_bytes() for path in found}


def test_nothing_is_written(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the folder of a run with results, stages and predictions."""
    monkeypatch.chdir(passk.folder)
    once = [stage("only", until=steps(1))]
    whole = passk.fit(once)
    predictions = ["--trainer.callbacks+=callbacks.evaluation.predictions.PredictionWriter"]
    predictions += [f"--trainer.callbacks.path={passk.folder / 'predictions.jsonl'}"]
    passk("predict", *predictions)
    before = files(passk.folder)
    assert {path.name for path in before} >= {"results.jsonl", "results.md", "last.ckpt", "stage.ckpt"}
    assert before[passk.folder / "predictions.jsonl"]

    last = Path(whole.trainer.log_dir) / "checkpoints" / "last.ckpt"
    capsys.readouterr()
    assert passk.fit(once, "--trainer.fast_dev_run=true").model.iteration == 1
    assert passk.fit([stage("only", BY_LENGTH, until=steps(9))], "--trainer.fast_dev_run=3").model.iteration == 3
    passk("validate", "--trainer.fast_dev_run=true", "--ckpt_path", str(last))
    passk("predict", "--trainer.fast_dev_run=true", *predictions)
    assert capsys.readouterr().out.count("Run folder: none, as trainer.fast_dev_run=True leaves no files") == 4
    assert files(passk.folder) == before
