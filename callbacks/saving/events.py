"""Truncates a run's TensorBoard files to an iteration, so that a resumed run repeats no entries."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[attr-defined]
from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread
from tensorboard.summary.writer.record_writer import RecordWriter

from app.storage.files import replacing


def copy_events(source: Path, target: Path, last: int, redone: tuple[str, ...] = ()) -> None:
    """Copy a run folder's event files, without events after an iteration; also onto themselves.

    A file from which nothing is removed is not rewritten, such as one that a logger has just opened.

    Args:
        source, target: run folders.
        last: the last iteration whose events are kept.
        redone: prefixes of names whose events at the last iteration are removed too.
    """
    for path in event_files(source):
        events = list(read_events(path))
        kept = [event for event in events if event.step < last or (event.step == last and not _named(event, redone))]
        copied = not source.samefile(target) and any(event.HasField("summary") for event in kept)
        if copied or len(kept) < len(events):
            with replacing(target / path.name) as temporary, temporary.open("wb") as file:
                writer = RecordWriter(file)
                for event in kept:
                    writer.write(event.SerializeToString())


def event_files(folder: Path) -> list[Path]:
    """A folder's event files in the order of their creation."""
    return sorted(folder.glob("events.out.tfevents.*"))


def read_events(path: Path) -> Iterator[Event]:
    """The complete records of a file; an incomplete last one is left out."""
    return map(Event.FromString, RawEventFileLoader(str(path)).Load())


def name_unwritten(failure: threading.ExceptHookArgs) -> None:
    """An exception hook for threads that adds the file's name to an error of TensorBoard's writer thread.

    The next call that logs raises that error again. Errors of other threads are printed as usual.
    """
    thread, error = failure.thread, failure.exc_value
    if not isinstance(thread, _AsyncWriterThread):
        threading.__excepthook__(failure)
    elif isinstance(error, OSError):
        error.filename = error.filename or os.fsdecode(thread._record_writer._writer.filename)


def _named(event: Event, prefixes: tuple[str, ...]) -> bool:
    return any(value.tag.startswith(prefixes) for value in event.summary.value)
