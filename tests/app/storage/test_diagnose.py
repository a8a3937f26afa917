"""Updates that are not finite: left out on all processes alike, kept, and played again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch

from app.cli import main
from app.module import RLVRModule
from app.policy import TinyPolicy
from app.storage.diagnose import VERSION, NotFiniteError, faults, load_update
from app.types import Rollouts
from tests.app.updates import PASSES, distance, fitted, parameters, perturbed, sampled
from tests.conftest import build_tiny_policy

ROW, TOKEN = 2, 1


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a Trainer without a logger has its files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def broken_batch() -> Rollouts:
    """Of the first problem's third answer one token was sampled with a probability that is none."""
    batch = perturbed(sampled(build_tiny_policy(), PASSES.clone()))
    logprobs = batch.completions[0][ROW].sampler_logprobs
    assert logprobs is not None and len(logprobs) > TOKEN
    logprobs[TOKEN] = torch.nan
    return batch


def kept(folder: Path) -> Path:
    (file,) = folder.glob("broken/iteration-*/rows.0.pt")
    return file


def test_an_update_that_is_not_finite_is_skipped_and_the_others_are_made() -> None:
    """The first of two updates has the problem in it."""
    module = fitted([broken_batch()], minibatch_size=2)
    without = perturbed(sampled(build_tiny_policy(), PASSES.clone()))
    without.rewards[:2] = 0  # nothing to learn in the first update
    assert distance(parameters(module), parameters(fitted([without], minibatch_size=2))) < 1e-7
    assert distance(parameters(module), parameters(build_tiny_policy())) > 1e-4
    assert (module.updates, module.nonfinite.in_a_row) == (1, 0)


def test_the_run_ends_with_one_too_many() -> None:
    module = fitted([broken_batch()] * 2, max_consecutive_nonfinite_updates=2)
    assert distance(parameters(module), parameters(build_tiny_policy())) == 0
    assert (module.iteration, module.updates, module.nonfinite.in_a_row) == (2, 0, 2)
    with pytest.raises(NotFiniteError, match=r"iteration 0 has a loss of nan and a gradient of norm 0\.5014\d*, and 0"):
        fitted([broken_batch()], max_consecutive_nonfinite_updates=0)
    with pytest.raises(ValueError, match="max_consecutive_nonfinite_updates=-1 must be at least 0"):
        RLVRModule(build_tiny_policy(), max_consecutive_nonfinite_updates=-1)


def test_a_good_update_between_begins_the_count_anew() -> None:
    good = sampled(build_tiny_policy())
    module = fitted([broken_batch(), good, broken_batch(), good], max_consecutive_nonfinite_updates=1)
    assert module.updates == 2


def test_what_is_kept_is_played_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted([broken_batch(), broken_batch()])
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", str(kept(tmp_path))])
    assert ended.value.code == 0
    first, *said = capsys.readouterr().out.splitlines()
    assert first == "iteration 0, update 0: loss nan, gradient norm 0.501"
    assert said[:4] == [
        f"problem {i}: echo {key!r}" for i, key in enumerate(("Who is there?", "a", "one two", "left or right"))
    ]
    (fault,) = said[4:]
    assert fault.startswith(f"row {ROW} of problem 0, token {TOKEN} (")
    assert fault.endswith("): sampler_logprobs nan")


def weight(policy: TinyPolicy, rows: Any) -> None:
    policy.model.lm_head.weight.data[7, 3] = torch.nan


def advantage(policy: TinyPolicy, rows: Any) -> None:
    rows.advantages[1, 0] = torch.inf


def ratio(policy: TinyPolicy, rows: Any) -> None:
    rows.sampler_logprobs[1, 0] = -1000.0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (weight, ["weight lm_head.weight", "row 0 of problem 0, token 0 ("]),
        (advantage, ["row 1 of problem 0, token 0 ("]),
        (ratio, ["row 1 of problem 0, token 0 ("]),
    ],
)
def test_faults_are_found_wherever_they_are(
    tiny_policy: Callable[..., TinyPolicy], spoil: Callable[..., None], said: list[str]
) -> None:
    policy = tiny_policy()
    batch = sampled(policy)
    rows = batch.experience(torch.ones(4, 6))
    assert faults(policy, rows) == []
    spoil(policy, rows)
    found = faults(policy, rows)
    assert len(found) == len(said) or spoil is weight
    assert all(line.startswith(start) for line, start in zip(found, said, strict=False))


def test_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"version": 0}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="holds no update that this version of passk has saved"):
        load_update(tmp_path / "other.pt")
    for name, message in {
        "none.pt": f"No such file or directory: {tmp_path}/none.pt",
        "other.pt": f"{tmp_path}/other.pt holds no update that this version of passk has saved",
    }.items():
        with pytest.raises(SystemExit) as ended:
            main(["diagnose", str(tmp_path / name)])
        assert ended.value.code == 2
        assert capsys.readouterr().err.splitlines() == [f"passk: error: {message}"]


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.touch(), "{} is cut short or is not a saved update"),
    "prose": (lambda path: path.write_text("hello"), "{} is cut short or is not a saved update"),
    "half": (lambda path: cut(path), "{} is cut short or is not a saved update"),
    "a zip file": (lambda path: zipped(path), "the saved update {} is damaged ("),
    "without rows": (lambda path: torch.save({"version": VERSION}, path), "{} holds no update that this version"),
    "other rows": (
        lambda path: torch.save({"version": VERSION, "rows": {"row": 1}}, path),
        "{} holds no update that this version",
    ),
    "a folder": (lambda path: path.mkdir(), "Is a directory: {}"),
}


def cut(path: Path) -> None:
    torch.save({"version": VERSION}, path)
    os.truncate(path, path.stat().st_size // 2)


def zipped(path: Path) -> None:
    with ZipFile(path, "w") as file:
        file.writestr("notes", "hello")


@pytest.mark.parametrize(("make", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_in_a_line(
    make: Callable[[Path], object], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.0.pt"
    make(path)
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", str(path)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"passk: error: {message.format(path)}") and said.count("\n") == 1


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["one", "two"], 2), (["--help"], 0)])
def test_its_arguments_are_told(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", *arguments])
    said = capsys.readouterr()
    assert ended.value.code == code and "usage: passk diagnose [-h] file" in said.out + said.err


def test_nothing_is_kept_of_a_run_that_is_finite(tmp_path: Path) -> None:
    fitted([sampled(build_tiny_policy())])
    assert not list(tmp_path.glob("broken"))
