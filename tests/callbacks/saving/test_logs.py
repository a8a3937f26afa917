"""`metrics.csv` goes on where it stands, cut back to an iteration."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from callbacks.saving.logs import METRICS, MetricsFile


def write(folder: Path, first: int, last: int) -> MetricsFile:
    """A file with a row of training and one of a validation for each of these iterations."""
    writer = MetricsFile(str(folder))
    for step in range(first, last + 1):
        writer.log_metrics({"train/loss": step / 2}, step)
        writer.log_metrics({"eval/pass@1": step / 4, "epoch": 0}, step)
    writer.save()
    return writer


def steps(folder: Path, name: str) -> list[int]:
    with (folder / METRICS).open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row[name]]


def test_another_writer_goes_on_with_more_columns(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    writer = write(tmp_path, 3, 4)
    writer.log_metrics({"a": 1.0}, 5)
    writer.save()
    assert steps(tmp_path, "train/loss") == steps(tmp_path, "eval/pass@1") == [1, 2, 3, 4]
    assert steps(tmp_path, "a") == [5]


@pytest.mark.parametrize("last", [0, 3, 9])
def test_nothing_after_the_iteration_stays(tmp_path: Path, last: int) -> None:
    write(tmp_path, 1, 5).copy_rows(tmp_path / METRICS, last)
    kept = list(range(1, min(last, 5) + 1))
    assert steps(tmp_path, "train/loss") == steps(tmp_path, "eval/pass@1") == kept


def test_what_is_redone_goes_at_the_iteration_itself(tmp_path: Path) -> None:
    write(tmp_path, 1, 4).copy_rows(tmp_path / METRICS, 3, ("eval/",))
    assert steps(tmp_path, "train/loss") == [1, 2, 3]
    assert steps(tmp_path, "eval/pass@1") == [1, 2]


def test_a_row_that_was_cut_short_goes(tmp_path: Path) -> None:
    write(tmp_path, 1, 4)
    path = tmp_path / METRICS
    path.write_text(path.read_text() + "0,0.5")
    MetricsFile(str(tmp_path)).copy_rows(path, 9)
    assert steps(tmp_path, "train/loss") == [1, 2, 3, 4]


def test_a_copy_leaves_the_other_run_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "source", 1, 4)
    MetricsFile(str(tmp_path / "target")).copy_rows(tmp_path / "source" / METRICS, 2)
    write(tmp_path / "target", 3, 3)
    assert steps(tmp_path / "source", "train/loss") == [1, 2, 3, 4]
    assert steps(tmp_path / "target", "train/loss") == [1, 2, 3]


@pytest.mark.parametrize("text", [b"train/loss,epoch\n1,2\n", b"step,loss\nnine,1\n", b"\xff\xfe\n", b"step\n\0\n\xff"])
def test_a_damaged_file_is_named(text: bytes, tmp_path: Path) -> None:
    writer = write(tmp_path / "new", 1, 2)
    (tmp_path / METRICS).write_bytes(text)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / METRICS} is damaged (")):
        writer.copy_rows(tmp_path / METRICS, 9)


@pytest.mark.parametrize("text", [b"", b"step,loss\n", b"step,loss\n3,1\n4"])
def test_an_incomplete_file_is_not(text: bytes, tmp_path: Path) -> None:
    writer = write(tmp_path / "new", 1, 2)
    (tmp_path / METRICS).write_bytes(text)
    writer.copy_rows(tmp_path / METRICS, 9)
    assert steps(tmp_path / "new", "loss") == [3] * text.count(b"3,1")
