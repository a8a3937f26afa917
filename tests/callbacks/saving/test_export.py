"""Exports on a disk that takes no more: one line, and nothing half written."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.policy import TinyPolicy
from app.storage.checkpoint import CheckpointError
from callbacks.saving.export import replacing_together


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A file that grows beyond this meets the error of a full disk's quota."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("room", [0, 20_000])
def test_a_full_disk_leaves_no_half_folder(
    room: int, before: bool, tiny_policy: Callable[..., TinyPolicy], tmp_path: Path
) -> None:
    policy, folder = tiny_policy(), tmp_path / "stages" / "1-explore"
    if before:
        policy.save(folder)
    held = {path.name: path.read_bytes() for path in folder.glob("*")}
    trainer: Any = SimpleNamespace(is_global_zero=True, strategy=SimpleNamespace(barrier=lambda name: None))
    with files_of_at_most(room), pytest.raises(CheckpointError) as caught, replacing_together(trainer, folder) as there:
        policy.save(there)
    assert str(caught.value).startswith(f"{folder} can't be written: ")
    assert str(caught.value).endswith("; what stood there before stays") and "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in folder.glob("*")} == held
    assert [path.name for path in folder.parent.iterdir()] == [folder.name] * before


def test_a_tokenizer_that_does_not_fit_is_told_as_a_full_disk(
    tiny_policy: Callable[..., TinyPolicy], tmp_path: Path
) -> None:
    """Of tokenizers, which raises a plain Exception."""
    policy, folder = tiny_policy(), tmp_path / "export"
    trainer: Any = SimpleNamespace(is_global_zero=True, strategy=SimpleNamespace(barrier=lambda name: None))
    said = f"{folder} can't be written: File too large; what stood there before stays"
    with (
        files_of_at_most(1_000),
        pytest.raises(CheckpointError, match=said),
        replacing_together(trainer, folder) as new,
    ):
        policy.save_processor(new)
    assert not [*tmp_path.iterdir()]
