"""Writes files and folders completely or not at all, even if the process or the machine fails meanwhile."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOSPC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` for writing a file or a folder; on exit it is synced and moved to `path`.

    The previous contents of `path` stay until then; if the body raises, they are kept.
    IsADirectoryError for a file in the place of a folder, which is kept too.
    """
    temporary = beside(path, "new")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(temporary)  # of a process that was killed
    try:
        with naming(path):
            yield temporary
            put(temporary, path)
    finally:
        remove(temporary)


def reason_of(error: OSError, path: Path) -> str:
    """Why a file was not written; for a full disk with the free space."""
    if error.errno != ENOSPC:
        return error.strerror or str(error)
    there = next(folder for folder in path.absolute().parents if folder.exists())
    return f"{error.strerror} ({shutil.disk_usage(there).free / 1e6:.1f} MB are free)"


def described(error: OSError) -> str:
    """An OSError in one line: its reason, and the file if it names one."""
    if error.filename is None:
        return error.strerror or str(error)
    path = os.fsdecode(error.filename)
    return f"{reason_of(error, Path(path))}: {path}"


@contextmanager
def appending(path: Path) -> Iterator[TextIO]:
    """Open a text file for appending; if writing fails, nothing is added, and no incomplete line is left."""
    before = path.stat().st_size if path.exists() else 0
    try:
        with naming(path), path.open("a", encoding="utf-8") as file:
            yield file
    except BaseException:
        with suppress(OSError):  # it could not be opened
            os.truncate(path, before)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A context that adds the path to an OSError without one, as raised by a full disk.

    safetensors and tokenizers raise other errors, with its number in the text; they become an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename = error.filename or str(path)
        raise
    except Exception as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def put(temporary: Path, path: Path) -> None:
    """Sync a complete file or folder to the disk, then move it to its path.

    safetensors makes files that only their owner may read; they get the mode that other new files have.
    A file is replaced in one step. A folder cannot be: the old one is renamed first. If the process is killed at
    that moment, it stays beside the path, and `recover` moves it back.
    """
    for part in [*temporary.rglob("*"), temporary]:
        share(part)
        sync(part)
    old = beside(path, "old")
    if temporary.is_dir() and os.path.lexists(path):
        remove(old)
        path.rename(old)
    temporary.replace(path)  # a file replaces no folder
    sync(path.parent)
    remove(old)


def recover(path: Path) -> bool:
    """Whether `path` exists; if only an interrupted replacement left something beside it, it is first moved there."""
    old = beside(path, "old")
    if not path.exists() and old.exists():
        old.rename(path)
    return path.exists()


def beside(path: Path, state: str) -> Path:
    """The hidden temporary name beside a path for its new or its previous contents."""
    return path.with_name(f".{path.name}.{state}")


def remove(path: Path) -> None:
    """Remove a file, a folder, or a link, but not what it leads to; does nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def share(path: Path) -> None:
    """Give a file that only its owner may read the mode of a new file, by the process's umask."""
    if path.is_file() and path.stat().st_mode & 0o777 == 0o600:
        with suppress(OSError), TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            new = Path(folder, "new")
            new.touch()
            path.chmod(new.stat().st_mode & 0o777)


def sync(path: Path) -> None:
    """Sync a file's contents, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
