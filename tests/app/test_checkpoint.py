"""Checkpoints hold plain data, are read as nothing else, and say what is wrong with them."""

from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from app.checkpoint import FORMAT, CheckpointError, PlainCheckpointIO, check_policy, read_checkpoint, write

WHOLE: dict[str, Any] = {
    "pytorch-lightning_version": "2",
    "format": FORMAT,
    "weights": torch.arange(5000),
    "names": ["a"],
}


class Thing:
    """No plain data."""


@pytest.mark.parametrize("lazily", [True, False])
def test_what_was_saved_is_read(tmp_path: Path, lazily: bool) -> None:
    path = tmp_path / "a.ckpt"
    PlainCheckpointIO().save_checkpoint(WHOLE, path)
    found = read_checkpoint(path, lazily)
    assert torch.equal(found.pop("weights"), WHOLE["weights"])
    assert found == {name: value for name, value in WHOLE.items() if name != "weights"}


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("lazily", [True, False])
def test_one_that_is_cut_short(tmp_path: Path, kept: float, lazily: bool) -> None:
    path = tmp_path / "a.ckpt"
    write(WHOLE, path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"a.ckpt is cut short or is not a checkpoint$"):
        read_checkpoint(path, lazily)


WRONG: dict[str, tuple[Any, str]] = {
    "pickled": ({**WHOLE, "thing": Thing()}, "holds more than plain data and is not read"),
    "another format": ({**WHOLE, "format": FORMAT + 1}, f"has format {FORMAT + 1}, this version of passk reads format"),
    "no format": ({"pytorch-lightning_version": "2"}, "has format None"),
    "something else": ({"a": 1}, "is not a checkpoint of a run"),
    "no mapping": (torch.zeros(1), "is not a checkpoint of a run"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_one_that_is_not_ours(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("place", [Thing(), [Thing()], {"deep": (0, Thing())}, torch.float])
def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, place: Any) -> None:
    with pytest.raises(TypeError, match=r"checkpoint\['state'\].* is a (Thing|dtype): a checkpoint holds"):
        PlainCheckpointIO().save_checkpoint({**WHOLE, "state": place}, tmp_path / "a.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_the_last_one_stays_where_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    PlainCheckpointIO().save_checkpoint(WHOLE, path)
    before = path.read_bytes()
    limits, usual = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError) as raised:
            PlainCheckpointIO().save_checkpoint(WHOLE, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, usual)
    assert raised.value.errno == errno.EFBIG
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.ckpt"]


WEIGHTS = {"a": torch.zeros(2, 3), "b": torch.zeros(4)}


@pytest.mark.parametrize(
    ("theirs", "vocabulary", "message"),
    [
        ({**WEIGHTS, "a": torch.zeros(2, 2)}, "v", r"another policy: a is \(2, 2\) there and \(2, 3\) here"),
        ({"a": WEIGHTS["a"]}, "v", r"b is missing there and \(4,\) here"),
        ({**WEIGHTS, "c": torch.zeros(1)}, "v", r"c is \(1,\) there and missing here"),
        (WEIGHTS, "w", "another policy: its tokenizer has another vocabulary"),
    ],
)
def test_one_of_another_policy(theirs: dict[str, torch.Tensor], vocabulary: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        check_policy({"state_dict": theirs, "vocabulary": vocabulary}, WEIGHTS, "v")


def test_one_of_this_policy() -> None:
    check_policy({"state_dict": WEIGHTS, "vocabulary": "v"}, WEIGHTS, "v")
