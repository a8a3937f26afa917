"""A file or a folder is replaced whole or not at all."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EFBIG, ENOSPC
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from app.storage.files import appending, beside, described, put, reason_of, recover, replacing


def written(path: Path, text: str, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
        path = path / "part"
    path.write_text(text)


def text_of(path: Path) -> str:
    return (path / "part" if path.is_dir() else path).read_text()


REPLACED = [("file", "file"), ("file", None), ("folder", "file"), ("folder", "folder"), ("folder", None)]


@pytest.mark.parametrize(("kind", "before"), REPLACED)
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


@pytest.mark.parametrize("before", ["file", "folder", None])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path, kind: str, before: str | None) -> None:
    path, target = tmp_path / "here" / "thing", tmp_path / "elsewhere"
    path.parent.mkdir()
    if before:
        written(target, "old", before)
    path.symlink_to(target)
    with replacing(path) as temporary:
        written(temporary, "new", kind)
    assert text_of(path) == "new" and not path.is_symlink()
    assert [each.name for each in path.parent.iterdir()] == ["thing"]
    assert not before or text_of(target) == "old"


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    written(tmp_path / "thing", "old", "folder")
    with pytest.raises(IsADirectoryError, match=f"'{tmp_path / 'thing'}'"), replacing(tmp_path / "thing") as temporary:
        written(temporary, "new", "file")
    assert text_of(tmp_path / "thing") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["thing"]


@pytest.mark.parametrize("out", ["file", "file/in"])
def test_a_folder_that_can_not_be_made_is_named(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"'{tmp_path / out}'"), replacing(tmp_path / out / "thing"):
        pass


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_what_a_library_makes_for_its_owner_alone_is_shared_as_other_files_are(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "export") as folder:
            folder.mkdir()
            save_file({"weight": torch.ones(2)}, folder / "model.safetensors")
            (folder / "config.json").touch()
            (folder / "private").touch(0o640)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "export").iterdir()}
    new = 0o666 & ~umask
    assert modes == {"model.safetensors": new, "config.json": new, "private": 0o640 & ~umask}


def test_an_error_in_a_line() -> None:
    assert described(PermissionError(EACCES, "Permission denied", "a/b")) == "Permission denied: a/b"
    assert described(PermissionError(EACCES, "Permission denied")) == "Permission denied"
    assert described(OSError("of a library")) == "of a library"


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


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Bytes; what is written beyond them fails as on a full disk, after a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("before", ["", "old\n", None])
def test_lines_are_added_all_or_none(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "lines"
    if before is not None:
        path.write_text(before)
    with pytest.raises(OSError, match="File too large") as raised, files_of_at_most(50_000), appending(path) as file:
        file.writelines(["new\n"] * 20_000)
    assert (raised.value.errno, raised.value.filename) == (EFBIG, str(path))
    assert path.read_text() == (before or "")
    with appending(path) as file:
        file.write("new\n")
    assert path.read_text() == f"{before or ''}new\n"


def test_a_file_that_does_not_fit_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.write_text("old")
    with pytest.raises(OSError, match="File too large"), files_of_at_most(50_000), replacing(path) as temporary:
        temporary.write_text("new" * 20_000)
    assert [each.name for each in tmp_path.iterdir()] == ["thing"]
    assert path.read_text() == "old"


def test_a_full_disk_is_told_with_what_is_free(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "thing"
    said = reason_of(OSError(ENOSPC, "No space left on device"), path)
    free = float(said.removeprefix("No space left on device (").removesuffix(" MB are free)"))
    assert free >= 0
    assert reason_of(OSError(EACCES, "Permission denied"), path) == "Permission denied"
