"""TensorBoard's files of a run, cut back to an iteration: what a resumed run logs again must not stand there twice."""

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
    """Put the event files of one run folder into another, or back into the same, without what came after an iteration.

    A file from which nothing is taken stays as it is: the one that a logger has just opened, for one.

    Args:
        source, target: run folders.
        last: the last iteration whose events are kept.
        redone: names that begin so are left out at the last iteration too.
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
    """In the order in which they were begun."""
    return sorted(folder.glob("events.out.tfevents.*"))


def read_events(path: Path) -> Iterator[Event]:
    """The whole records of a file; a last one that was cut short is left out."""
    return map(Event.FromString, RawEventFileLoader(str(path)).Load())


def name_unwritten(failure: threading.ExceptHookArgs) -> None:
    """A hook for threads: TensorBoard's, which writes the files, has its error raised again by the next call that logs.

    It names no file, and is given the name here. Errors of other threads are printed as usual.
    """
    thread, error = failure.thread, failure.exc_value
    if not isinstance(thread, _AsyncWriterThread):
        threading.__excepthook__(failure)
    elif isinstance(error, OSError):
        error.filename = error.filename or os.fsdecode(thread._record_writer._writer.filename)


def _named(event: Event, prefixes: tuple[str, ...]) -> bool:
    return any(value.tag.startswith(prefixes) for value in event.summary.value)
