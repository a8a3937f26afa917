"""Files and folders that appear whole or not at all, whatever happens to the process or the machine meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOSPC
from pathlib import Path
from typing import TextIO


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` under which to write a file or a folder; on leaving it is on the disk and stands at `path`.

    What stood there before stays until then, and for good where the body raises.
    """
    temporary = beside(path, "new")
    remove(temporary)  # of a process that was killed
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with naming(path):
            yield temporary
            put(temporary, path)
    finally:
        remove(temporary)


def reason_of(error: OSError, path: Path) -> str:
    """Why a file was not written; with a full disk, how much there is free."""
    if error.errno != ENOSPC:
        return error.strerror or str(error)
    there = next(folder for folder in path.absolute().parents if folder.exists())
    return f"{error.strerror} ({shutil.disk_usage(there).free / 1e6:.1f} MB are free)"


@contextmanager
def appending(path: Path) -> Iterator[TextIO]:
    """A text file to write to at its end. Where that fails nothing is added, and no line is left cut short."""
    before = path.stat().st_size if path.exists() else 0
    try:
        with naming(path), path.open("a") as file:
            yield file
    except BaseException:
        with suppress(OSError):  # it could not be opened
            os.truncate(path, before)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is being written: a full disk, unlike a missing folder, raises an OSError that names no file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename = error.filename or str(path)
        raise


def put(temporary: Path, path: Path) -> None:
    """Move what is complete to its place, once it is on the disk.

    A file is replaced in one step. A folder can't be: the old one steps aside first, and a process that is killed at
    that very moment leaves it beside the path, from where `recover` brings it back.
    """
    _sync_all(temporary)
    old = beside(path, "old")
    if temporary.is_dir() and path.exists():
        remove(old)
        path.rename(old)
    elif path.is_dir():
        shutil.rmtree(path)
    temporary.replace(path)
    sync(path.parent)
    remove(old)


def recover(path: Path) -> bool:
    """Is there anything at `path`, or beside it from a replacement that was cut short, which then takes its place?"""
    old = beside(path, "old")
    if not path.exists() and old.exists():
        old.rename(path)
    return path.exists()


def beside(path: Path, state: str) -> Path:
    """The hidden name next to a path under which its next or its last content stands for a moment."""
    return path.with_name(f".{path.name}.{state}")


def remove(path: Path) -> None:
    """A file, a folder, or nothing."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_all(path: Path) -> None:
    """Have the disk hold a file, or a folder with all that is in it."""
    for part in [*path.rglob("*"), path]:
        sync(part)


def sync(path: Path) -> None:
    """Have the disk hold what a file, or a folder's list of names, holds now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
