"""Arms trained by the real command line, one run for each stage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from app.cli import main
from app.storage.checkpoint import read_checkpoint
from benchmarks.reproduce import runs
from benchmarks.reproduce.claim import FOLDER, Claim
from benchmarks.reproduce.curves import collect, cpu_hours, read
from benchmarks.reproduce.runs import Run, runs_of, train_all


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What would have been run in processes of their own, which takes seconds for each; it is run in this one."""
    seen: list[Sequence[str]] = []

    def here(command: Sequence[str], log: Any) -> tuple[int, float]:
        seen.append(command)
        main([*command[3:]])
        return 0, 1.5

    monkeypatch.setattr(runs, "timed", here)
    return seen


def flat(claim: Claim, root: Path) -> list[Run]:
    return [run for arm in runs_of(claim, 1, root).values() for run in arm]


def weights(run: Run) -> dict[str, Any]:
    return read_checkpoint(run.last)["state_dict"]


def test_runs_become_curves(claim: Claim, commands: list[Sequence[str]], tmp_path: Path) -> None:
    """Shared runs are trained once, complete ones skipped; an arm has no curve before all its runs are complete."""
    root = tmp_path / "runs"
    train_all(runs_of(claim, 1, root)["one"], jobs=1)
    collect(claim, root, tmp_path)
    assert {arm: [*seeds] for arm, seeds in read(claim, tmp_path).items()} == {"one": [1], "two": []}
    assert len(commands) == 2
    train_all(flat(claim, root), jobs=2)
    train_all(flat(claim, root), jobs=1)
    assert len(commands) == 3
    assert [run.record for run in flat(claim, root)] == [{"cpu_s": 1.5, "done": True}] * 5
    collect(claim, root, tmp_path)
    curves = read(claim, tmp_path)
    assert [(row["iteration"], row["trained"]) for row in curves["two"][1]] == [(2, 0), (4, 1), (6, 1)]
    assert curves["one"][1] == curves["two"][1][:2]
    last = curves["two"][1][-1]
    assert {"eval/pass@1", "eval/entropy", "rollout/reward", "objectives/pass@1/dead"} <= last.keys()
    assert cpu_hours(claim, curves) == pytest.approx(3 * 1.5 / 3600)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_from_its_checkpoint(
    claim: Claim, commands: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: it ends as one that is not killed, bit for bit."""
    whole, killed = (runs_of(claim, 1, tmp_path / name)["two"] for name in ("whole", "killed"))
    train_all(whole, jobs=1)
    train_all(killed[:1], jobs=1)
    here = runs.timed

    def kill(command: Sequence[str], log: Any) -> tuple[int, float]:
        with subprocess.Popen([*command], stdout=log, stderr=log, cwd=FOLDER.parents[1]) as process:
            while not killed[1].last.exists():
                sleep(0.01)
            process.kill()
        return process.returncode, 0.0

    monkeypatch.setattr(runs, "timed", kill)
    with pytest.raises(RuntimeError, match="ended with status -9"):
        train_all(killed, jobs=1)
    assert not killed[1].record["done"]
    monkeypatch.setattr(runs, "timed", here)
    train_all(killed, jobs=1)
    assert "--ckpt_path" in commands[-2][-1]
    assert "first/checkpoints/last.ckpt" in commands[-2][-1]
    for one, other in zip(whole, killed, strict=True):
        mine, theirs = weights(one), weights(other)
        assert all((mine[name] == theirs[name]).all() for name in mine)


def test_a_run_that_fails_is_told_with_its_last_line(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no run begins that would go on from it."""

    def fail(command: Sequence[str], log: Any) -> tuple[int, float]:
        log.write("loading ...\npassk: error: no disk\n")
        log.flush()
        return 2, 0.5

    monkeypatch.setattr(runs, "timed", fail)
    with pytest.raises(RuntimeError, match=r"seed-1/cold ended with status 2: passk: error: no disk"):
        train_all(flat(claim, tmp_path / "runs"), jobs=2)
    first, second, *_ = flat(claim, tmp_path / "runs")
    assert first.record == {"cpu_s": 0.5, "done": False}
    assert not second.beside(".yaml").exists()


def test_a_run_that_is_ended_early_with_status_0_is_not_complete(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on SIGTERM."""

    def end(command: Sequence[str], log: Any) -> tuple[int, float]:
        first.folder.mkdir()
        (first.folder / "results.jsonl").write_text('{"iteration": 1}\n')
        return 0, 0.5

    first, *_ = flat(claim, tmp_path / "runs")
    monkeypatch.setattr(runs, "timed", end)
    with pytest.raises(RuntimeError, match="cold ended with status 0, last validated at iteration 1 of 2"):
        train_all([first], jobs=1)
    assert not first.record["done"]


def test_a_command_is_run_in_the_clone_on_one_thread_and_timed(tmp_path: Path) -> None:
    code = (
        "import os; print(os.environ['OMP_NUM_THREADS'], os.path.exists('lightning.yaml')); sum(range(10**6)); exit(3)"
    )
    with (tmp_path / "log").open("w") as log:
        status, seconds = runs.timed([sys.executable, "-c", code], log)
    assert status == 3
    assert seconds > 0
    assert (tmp_path / "log").read_text() == f"{os.environ.get('OMP_NUM_THREADS', '1')} True\n"
