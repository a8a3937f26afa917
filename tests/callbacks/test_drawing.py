"""Samplers in real runs: what is drawn, logged, written, begun with, gone on with and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kill_and_resume import logged
from tests.conftest import CommandLine, callback, constant, demonstrated, gap, stage, steps
from tests.test_resume import SAMPLERS

RECORDER = "--trainer.callbacks+=tests.callbacks.extras.Recorder"
COINS = {"data": {"class_path": "tests.callbacks.extras.CoinDataModule"}, "cached": False}
COINS |= {"model": {"policy": {"init_args": {"alphabet": "ab"}}}}
STAGES = [demonstrated(until=steps(1)), stage("explore", until=steps(7), learning_rate=constant(1e-2))]


def fit(passk: CommandLine, sampler: str, *options: str) -> tuple[Any, Path, list[str]]:
    """A run, its folder, and the problems of each iteration."""
    cli = passk.fit(STAGES, f"--draw.sampler={sampler}", RECORDER, *options, **COINS)
    return cli, Path(cli.trainer.log_dir), [row["keys"] for row in callback(cli, "Recorder").seen]


AHEAD = [
    "--rollout.overlap=true", "--model.correction=app.losses.TokenTIS",
    "--rollout.engine=app.engines.snapshot.SnapshotEngine",
]  # fmt: skip


@pytest.mark.slow
def test_what_is_drawn_an_iteration_ahead_is_drawn_again(passk: CommandLine, tmp_path: Path) -> None:
    """By what was known then."""
    _, folder, keys = fit(passk, SAMPLERS["Pools"], *AHEAD)
    other = CommandLine(tmp_path / "other", passk.cache)
    other.folder.mkdir()
    before, _, first = fit(other, SAMPLERS["Pools"], *AHEAD, "--trainer.max_steps=7")
    _, resumed, second = fit(other, SAMPLERS["Pools"], *AHEAD, "--ckpt_path=last")
    assert 2 < before.model.iteration < 8
    assert [*first, *second] == keys
    assert gap(folder / "stages" / "2-explore", resumed / "stages" / "2-explore") == 0
    assert (folder / "problems.jsonl").read_text() == (resumed / "problems.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [SAMPLERS["Pools"]])
def test_a_run_in_two_parts_is_one_run(passk: CommandLine, tmp_path: Path, sampler: str) -> None:
    """tests/test_resume.py has all samplers, killed."""
    _, folder, keys = fit(passk, sampler)
    other = CommandLine(tmp_path / "other", passk.cache)
    other.folder.mkdir()
    before, _, first = fit(other, sampler, "--trainer.max_steps=7")
    _, resumed, second = fit(other, sampler, "--ckpt_path=last")
    assert 2 < before.model.iteration < 8
    assert [*first, *second] == keys
    assert gap(folder / "stages" / "2-explore", resumed / "stages" / "2-explore") == 0
    record = (folder / "problems.jsonl").read_text()
    assert record == (resumed / "problems.jsonl").read_text()
    rows = [json.loads(line) for line in record.splitlines()]
    assert sum(row["drawn"] for row in rows) == 7 * 4  # none of the demonstrations
    curves = logged(folder)
    assert len(curves["draw/normal"]) == len(curves["draw/pass_rate"]) == 8

    begun, _, _ = fit(passk, sampler, f"--draw.start_from={folder / 'problems.jsonl'}", "--trainer.max_steps=1")
    assert begun.trainer.datamodule.stream.record.drawn.sum() == sum(row["drawn"] for row in rows)

    last = Path(begun.trainer.log_dir) / "checkpoints" / "last.ckpt"
    gone_on, _, _ = fit(passk, sampler, "--draw.start_from=moved.jsonl", f"--ckpt_path={last}")  # no longer read
    assert gone_on.trainer.datamodule.stream.record.drawn.sum() > sum(row["drawn"] for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trainer.overfit_batches=1", "--draw.sampler=app.draw.Pools"], "must be Uniform with overfit_batches=1"),
        (["--draw.start_from=nowhere.jsonl"], "No such file or directory: nowhere.jsonl"),
        (["--draw.decay=2"], "decay=2.0 must lie in [0, 1]"),
    ],
)
def test_what_could_not_work_is_refused(
    passk: CommandLine, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        passk.fit(STAGES, *options, **COINS)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("passk: error: ")
    assert message in said
