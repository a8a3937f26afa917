"""Creates and locks a run's folder, so that only one run at a time writes to it.

`app/storage/places.py` gives its path. A configured version names the folder (with Weights & Biases and MLflow the
run's id does). Otherwise it is `version_<number>`, one above the highest, and no two runs get the same. All loggers
of a run have the same version.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from app.storage.files import naming
from app.storage.places import Place, last_checkpoint, run_folders

log = logging.getLogger(__name__)

LOCK = ".passk.lock"
"""The lock file, locked by the process that writes to the run folder. The kernel unlocks it when the process ends."""
UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Error numbers of a full disk."""
CONFIG = "config.yaml"
"""A file that is written after the run's setup has succeeded."""


class PassKTrainer(Trainer):
    """Lightning's Trainer with the run folder as its `log_dir`, for any logger.

    Args:
        limit_train_batches, limit_val_batches, limit_test_batches, limit_predict_batches: a number of batches, or, as a
            float, a share of them. Declared here again because typing caches the order of the first Union[float, int]
            of the process, by which the command line would read 1 as 1.0, all batches.
        overfit_batches: the same; 0 for none.
    """

    folder: Path | None = None  # set in the first process

    def __init__(
        self,
        *,
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        overfit_batches: int | float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            limit_train_batches=limit_train_batches,
            limit_val_batches=limit_val_batches,
            limit_test_batches=limit_test_batches,
            limit_predict_batches=limit_predict_batches,
            overfit_batches=overfit_batches,
            **kwargs,
        )

    @property
    def log_dir(self) -> str | None:
        """The run folder; a collective, since rank 0 broadcasts it."""
        return super().log_dir if self.folder is None else self.strategy.broadcast(str(self.folder))

    def use_folder(self, folder: Path) -> None:
        """Set the run folder, also for every ModelCheckpoint without a `dirpath`."""
        self.folder = folder
        for callback in self.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
                callback.dirpath = str(folder / "checkpoints")


def run_folder(trainer: Trainer) -> Path:
    """The folder of a run's files; a collective, since rank 0 broadcasts it."""
    folder = Path(trainer.log_dir or trainer.default_root_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def folder_line(trainer: Trainer) -> str:
    """The line on a command's files, printed at its end; a collective of all processes."""
    tried = trainer.fast_dev_run  # type: ignore[attr-defined]
    if tried:
        return f"Run folder: none, as trainer.fast_dev_run={tried} leaves no files"
    return f"Run folder: {run_folder(trainer)}"


# -- locking ------------------------------------------------------------------------------------------


class RunFolder:
    """A run folder that this process has locked.

    A context manager: on exit it is unlocked. If an error ends the run in its setup, folders made for it are removed.
    A disk error that names no file gets the folder's name.
    """

    def __init__(self, path: Path, made: list[Path]) -> None:
        self.path, self.made = path, made
        self.lock = _locked(path)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, OSError) and error.errno in UNWRITTEN:
            error.filename = error.filename or str(self.path)
        if error is not None and not (self.path / CONFIG).exists() and not last_checkpoint(self.path).exists():
            for folder in self.made:
                shutil.rmtree(folder, ignore_errors=True)
        self.lock.close()


def claim(places: list[Place], command: str, resumed: str | None = None) -> RunFolder:
    """Create and lock a run folder and set the loggers' version; in the first process, before any logger starts.

    Args:
        places: the locations of the run's loggers.
        command: `fit`, or one that only evaluates and never writes to an existing folder.
        resumed: the version of the run that is resumed in its folder; None for a new run.

    Raises:
        ValueError: the folder already has a run, or another process has locked it.
    """
    first, given = places[0], places[0].given
    if resumed is not None:
        version, folder = resumed, RunFolder(first.folder(resumed), [])
    elif given is not None and command == "fit":
        version, folder = given, _begun(places, given)
    else:
        versions = _numbers(places) if given is None else _names(given, command)
        version = next(version for version in versions if _made(places, version))
        folder = RunFolder(first.folder(version), [place.root / version for place in places])
    for logger in (place.logger for place in places if place.logger is not None):
        number = version.removeprefix("version_")
        logger._version = int(number) if f"version_{number}" == version and number.isdigit() else version
    return folder


def _numbers(places: list[Place]) -> Iterator[str]:
    """Version numbers in order, from one above the highest."""
    highest = max([-1, *(number for place in places for number in run_folders(place.root))])
    return (f"version_{number}" for number in count(highest + 1))


def _names(given: str, command: str) -> Iterator[str]:
    """The configured version, or others derived from its name, so that files of a `fit` are not overwritten."""
    yield given
    yield from (f"{given}-{command}-{number}" for number in count())


def _made(places: list[Place], version: str) -> bool:
    """Make the folder of this version.  -> False if it exists; of several processes only one succeeds"""
    if any((place.root / version).exists() for place in places):
        return False
    (places[0].root / version).parent.mkdir(parents=True, exist_ok=True)
    try:
        (places[0].root / version).mkdir()
    except FileExistsError:
        return False
    places[0].folder(version).mkdir(exist_ok=True, parents=True)
    return True


def _begun(places: list[Place], version: str) -> RunFolder:
    """Lock the folder of this version; ValueError unless it is new, empty, or of a run that failed in its setup."""
    folders = [place.folder(version) for place in places]
    made = [place.root / version for place in places if not (place.root / version).exists()]
    _check_free(folders)
    folders[0].mkdir(parents=True, exist_ok=True)
    folder = RunFolder(folders[0], made)
    _check_free(folders)  # another process may have used it in between
    return folder


def _check_free(folders: list[Path]) -> None:
    for folder in folders:
        held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if last_checkpoint(folder).exists():
            raise ValueError(
                f"{folder} holds a run: go on with it by --auto_resume true, or begin another under another version"
            )
        if held and (LOCK not in held or CONFIG in held):
            raise ValueError(f"{folder} holds other files: begin the run under another version")


def _locked(folder: Path) -> IO[str]:
    """Lock the folder's lock file.

    A POSIX lock works over NFS too, and ends with this process, even if its child processes still run.
    """
    file = (folder / LOCK).open("a+", encoding="utf-8", errors="replace")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        holder = file.read() or "another process"
        file.close()
        raise ValueError(f"{folder} is being written by {holder}: two runs can't share a folder") from None
    except OSError as error:
        log.warning("%s can't be locked (%s): see to it that no other run writes there", folder, error.strerror)
    with naming(folder / LOCK):
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
    return file
