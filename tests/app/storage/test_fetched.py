"""A pointer of Git LFS in place of a file is named as one; of a checkpoint's file in test_pretrained.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.storage.fetched import check_fetched
from datamodules.sources import read_rows

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 988097824\n"


def test_a_pointer_is_told_from_other_files(tmp_path: Path) -> None:
    (tmp_path / "pointer").write_text(POINTER)
    (tmp_path / "longer").write_text(POINTER + "more\n" * 1000)
    (tmp_path / "other").write_text("version 1")
    check_fetched(tmp_path / "longer", tmp_path / "other", tmp_path / "none", tmp_path)
    with pytest.raises(ValueError, match=r"pointer is Git LFS's pointer, not the file itself: run `git lfs pull`"):
        check_fetched(tmp_path / "other", tmp_path / "pointer")


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_rows_that_were_not_fetched(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"train.{suffix}"
    path.write_text(POINTER)
    with pytest.raises(ValueError, match="Git LFS's pointer"):
        read_rows(str(path), "train")
