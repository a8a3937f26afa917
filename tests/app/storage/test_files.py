"""A file or a folder is replaced whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.storage.files import beside, put, recover, replacing


def written(path: Path, text: str, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
        path = path / "part"
    path.write_text(text)


def text_of(path: Path) -> str:
    return (path / "part" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("before", ["file", "folder", None])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_it_takes_the_place_of_what_was_there(tmp_path: Path, kind: str, before: str | None) -> None:
    path = tmp_path / "deep" / "thing"
    if before:
        path.parent.mkdir()
        written(path, "old", before)
    with replacing(path) as temporary:
        written(temporary, "new", kind)
        assert not before or text_of(path) == "old"
    assert text_of(path) == "new"
    assert [each.name for each in path.parent.iterdir()] == ["thing"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_was_there_stays_where_writing_fails(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    written(path, "old", kind)
    with pytest.raises(OSError, match="full"), replacing(path) as temporary:
        written(temporary, "half", kind)
        raise OSError("full")
    assert text_of(path) == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["thing"]


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    written(beside(path, "new"), "half", "folder")
    with replacing(path) as temporary:
        written(temporary, "new", "folder")
    assert text_of(path) == "new"


def test_a_folder_that_stepped_aside_comes_back(tmp_path: Path) -> None:
    """Killed between the two renamings."""
    path = tmp_path / "thing"
    written(path, "old", "folder")
    written(beside(path, "new"), "new", "folder")
    path.rename(beside(path, "old"))
    assert recover(path) and text_of(path) == "old"
    put(beside(path, "new"), path)
    assert text_of(path) == "new"


def test_there_may_be_nothing_to_recover(tmp_path: Path) -> None:
    assert not recover(tmp_path / "thing")
