"""Event files cut back to an iteration, read as TensorBoard reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from callbacks.saving.events import copy_events, event_files


def write(folder: Path, first: int, last: int) -> SummaryWriter:
    """A file with two curves over these iterations."""
    writer = SummaryWriter(str(folder), filename_suffix=f".{first}")
    for step in range(first, last + 1):
        writer.add_scalar("train/loss", step / 2, step)
        writer.add_scalar("eval/pass@1", step / 4, step)
    writer.flush()
    return writer


def steps(folder: Path, tag: str) -> list[int]:
    """Sorted, because TensorBoard reads files of one second in the order of their names."""
    found = EventAccumulator(str(folder)).Reload()
    return sorted(event.step for event in found.Scalars(tag)) if tag in found.Tags()["scalars"] else []


@pytest.mark.parametrize("last", [0, 3, 4, 5, 8])
def test_nothing_after_the_iteration_stays(tmp_path: Path, last: int) -> None:
    write(tmp_path, 1, 4)
    write(tmp_path, 5, 7)
    copy_events(tmp_path, tmp_path, last)
    for tag in ("train/loss", "eval/pass@1"):
        assert steps(tmp_path, tag) == [step for step in range(1, 8) if step <= last]


def test_what_is_redone_goes_at_the_iteration_itself(tmp_path: Path) -> None:
    write(tmp_path, 1, 4)
    copy_events(tmp_path, tmp_path, 3, ("eval/",))
    assert steps(tmp_path, "train/loss") == [1, 2, 3]
    assert steps(tmp_path, "eval/pass@1") == [1, 2]


def test_a_file_that_was_cut_short_is_read_to_its_last_whole_record(tmp_path: Path) -> None:
    write(tmp_path, 1, 4)
    (path,) = event_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    copy_events(tmp_path, tmp_path, 3)
    assert steps(tmp_path, "eval/pass@1") == [1, 2, 3]


def test_a_writer_that_has_just_begun_goes_on(tmp_path: Path) -> None:
    write(tmp_path, 1, 4)
    writer = SummaryWriter(str(tmp_path))
    copy_events(tmp_path, tmp_path, 2)
    writer.add_scalar("train/loss", 9.0, 3)
    writer.close()
    assert steps(tmp_path, "train/loss") == [1, 2, 3]


def test_a_copy_leaves_the_other_run_as_it_is(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    write(source, 1, 4)
    target.mkdir()
    copy_events(source, target, 2)
    assert steps(source, "train/loss") == [1, 2, 3, 4]
    assert steps(target, "train/loss") == [1, 2]
