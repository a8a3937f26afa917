"""Checkpoints hold plain data, are read as nothing else, and say what is wrong with them."""

from __future__ import annotations

import errno
import math
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from app.storage.checkpoint import (
    FORMAT,
    CheckpointError,
    PlainCheckpointIO,
    check_digests,
    check_policy,
    digest,
    read_checkpoint,
    write,
)
from tests.conftest import BY_LENGTH, CommandLine, Run, stage

WHOLE: dict[str, Any] = {
    "pytorch-lightning_version": "2",
    "format": FORMAT,
    "weights": torch.arange(5000),
    "names": ["a"],
}


class Thing:
    """No plain data."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of plain data stands, containers too."""
    if path:
        yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list | tuple) else ()
    for key in keys:
        yield from leaves(value[key], (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of plain data with another value in a place, or without it where the new value is GONE."""
    if not path:
        return new
    pairs = dict(value if isinstance(value, dict) else enumerate(value))
    pairs[path[0]] = changed(pairs[path[0]], path[1:], new)
    kept = {key: part for key, part in pairs.items() if part is not GONE}
    return kept if isinstance(value, dict) else type(value)(kept.values())


GONE = object()
DAMAGES: list[Callable[[Any], Any]] = [
    lambda value: GONE,
    lambda value: {} if value is None else None,
    lambda value: "text",
    lambda value: -value if isinstance(value, Tensor | int | float) and bool(torch.as_tensor(value).any()) else -1,
    lambda value: value * float("inf") if isinstance(value, Tensor) else 10**15,
    lambda value: float("nan"),
    lambda value: [value],
]


def test_no_value_of_a_checkpoint_is_lost_or_replaced_in_silence(finished: Run, tmp_path: Path) -> None:
    """Every value in turn, by one kind of damage after another; then two states of an optimizer exchanged."""
    path = finished.folder / "checkpoints" / "last.ckpt"
    whole = torch.load(path, weights_only=True)
    check_digests(dict(whole), path, lazily=False)
    places = [place for place in leaves(whole) if place[0] != "config" or len(place) < 4]
    for count, place in enumerate(places):
        bad = changed(whole, place, DAMAGES[count % len(DAMAGES)](at(whole, place)))
        with pytest.raises(CheckpointError, match="is damaged: "):
            check_digests(bad, path, lazily=False)
    state = whole["optimizer_states"][0]["state"]
    (one, other) = [key for key in state if state[key]["exp_avg"].shape == state[0]["exp_avg"].shape][:2]
    swapped = changed(whole, ("optimizer_states", 0, "state"), {**state, one: state[other], other: state[one]})
    torch.save(swapped, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=r"a\.ckpt is damaged: 'optimizer_states' is not as it was written"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16, torch.float64, torch.int8, torch.complex64])
def test_a_digest_is_that_of_the_values_whatever_holds_them(dtype: torch.dtype) -> None:
    values = torch.arange(24).reshape(4, 6).to(dtype)
    assert digest(values) == digest(values.clone()) == digest(values.t().contiguous().t())
    assert digest(values) != digest(values.flatten()) != digest(values.flatten()[1:])
    assert digest(values[:, 1:]) == digest(values[:, 1:].clone())
    assert digest(values) != digest(torch.where(torch.arange(24).reshape(4, 6) == 0, values[0, 1], values))


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


class TestAValueThatDoesNotFit:
    """What a run makes of its own checkpoint where a value does not fit, whoever wrote it."""

    STAGES = (stage("explore", BY_LENGTH), stage("exploit", BY_LENGTH))

    @pytest.fixture(scope="class")
    def begun(self, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[CommandLine, Path]:
        passk = CommandLine(tmp_path_factory.mktemp("begun"), cache)
        folder = Path(passk.fit([*self.STAGES]).trainer.log_dir)
        return passk, folder / "stages" / "1-explore" / "stage.ckpt"

    @pytest.mark.parametrize(
        ("place", "value", "message"),
        [
            (("callbacks", "StageSchedule", "index"), -1, "is damaged: index is -1"),
            (("callbacks", "StageSchedule", "ending"), GONE, "can't be restored (KeyError: 'ending')"),
            (("iteration",), GONE, "is damaged: iteration is None"),
            (("MazeDataModule", "position"), "far", "is damaged: position is 'far'"),
            (("loops", "fit_loop", "epoch_progress"), "text", "can't be restored (TypeError"),
            (("optimizer_states", 0, "state", 0, "exp_avg"), None, "its state does not fit"),
            (("optimizer_states", 0, "state", 0, "exp_avg"), torch.zeros(1), "its state does not fit"),
            (("optimizer_states", 0, "state", 0, "exp_avg_sq"), lambda old: old + math.inf, "is not finite"),
            (("optimizer_states", 0, "param_groups", 0, "params", 0), 99, "its state does not fit"),
            (("optimizer_states",), [], "it has lost the optimizer's state"),
        ],
    )
    def test_is_said_in_a_line(
        self,
        begun: tuple[CommandLine, Path],
        place: tuple[Any, ...],
        value: Any,
        message: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        passk, path = begun
        bad, whole = passk.folder / "bad.ckpt", read_checkpoint(path)
        value = value(at(whole, place)) if callable(value) else value
        PlainCheckpointIO().save_checkpoint(changed(whole, place, value), bad)
        with pytest.raises(SystemExit) as ended:
            passk.fit([*self.STAGES], "--ckpt_path", str(bad))
        assert ended.value.code == 2
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("passk: error: ") and message in last


def test_one_of_this_policy() -> None:
    check_policy({"state_dict": WEIGHTS, "vocabulary": "v"}, WEIGHTS, "v")
