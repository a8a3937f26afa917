"""The command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import benchmarks.reproduce.__main__ as command
from benchmarks.reproduce.claim import Claim
from benchmarks.reproduce.runs import Run


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, claim: Claim) -> list[str]:
    """The runs that are asked for, none of which is trained; one of seed 13 fails."""
    asked: list[str] = []

    def train_all(runs: Sequence[Run], jobs: int) -> None:
        asked.extend(f"{run.seed} {run.folder.name}" for run in runs)
        if any(run.seed == 13 for run in runs):
            raise RuntimeError("seed-13/cold ended with status 2: no disk")

    monkeypatch.setattr(command, "train_all", train_all)
    monkeypatch.setattr(command, "CLAIMS", (claim,))
    return asked


def test_seeds_that_are_not_the_claims_own_need_another_place(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["small", "--seeds", "100"])
    assert "--seeds=(100,) must be among (1,)" in capsys.readouterr().err
    assert command.main(["small", "--seeds", "7", "8", "--runs", str(tmp_path), "--out", str(tmp_path)]) == 0
    assert trained[0] == "7 cold"
    assert trained[-1] == "8 cold+first+second"
    assert (tmp_path / "small.csv").read_text().startswith("arm,seed,stage,iteration")


def test_a_run_that_fails_is_an_exit_status(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["small", "--seeds", "13", "--runs", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "seed-13/cold ended with status 2: no disk" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["large"], ["small", "--jobs", "0"]])
def test_bad_arguments_are_refused(trained: list[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert trained == []
