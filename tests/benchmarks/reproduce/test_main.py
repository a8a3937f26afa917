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
        if any(run.seed == 14 for run in runs):
            raise KeyboardInterrupt

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


def test_ctrl_c_is_a_line(trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["small", "--seeds", "14", "--runs", str(tmp_path), "--out", str(tmp_path)]) == 130
    assert "interrupted: the same command resumes the runs" in capsys.readouterr().err


def test_a_file_with_more_than_the_runs_is_kept(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, runs = tmp_path / "not yet" / "there", tmp_path / "runs"
    assert command.main(["small", "--seeds", "7", "--runs", str(runs), "--out", str(out)]) == 0
    published = "arm,seed,stage,iteration,trained,cpu_s\none,3,first,4,1,2\n"
    (out / "small.csv").write_text(published)
    assert command.main(["small", "--seeds", "7", "--runs", str(runs), "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"small.csv is kept, {runs} has no complete run of 'one' with seed 3; the complete ones: {runs}" in said
    assert (out / "small.csv").read_text() == published
    assert (runs / "small.csv").exists()


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("three,1,first,4,1,2", "'three'"),
        ("one,1,first,4,1,x", "could not convert string to float: 'x'"),
        ("one,1,first,4", "another number of cells"),
        ("one,1,first,,1,2", "iteration or trained is missing"),
    ],
)
def test_a_damaged_file_is_told_of_before_training(
    line: str, wrong: str, trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.csv").write_text(f"arm,seed,stage,iteration,trained,cpu_s\n{line}\n")
    assert command.main(["small", "--runs", str(tmp_path), "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "small.csv, line 2, can't be read: " in said
    assert wrong in said
    assert trained == []


def test_out_must_be_a_folder(trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        command.main(["small", "--out", str(tmp_path / "file")])
    assert f"--out={tmp_path / 'file'}: File exists" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["large"], ["small", "--jobs", "0"]])
def test_bad_arguments_are_refused(trained: list[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert trained == []
