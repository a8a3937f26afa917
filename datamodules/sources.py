"""Reads rows of published data: a .parquet, .jsonl or .csv file, or a data set of the hub."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from app.types import Prompt
from datamodules.folders import split_files

T = TypeVar("T")

HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:/([\w.-]+))?(?::([\w.-]+))?")
SUFFIXES = (".parquet", ".jsonl", ".csv")


def check_source(source: str) -> None:
    """Raise ValueError unless `source` is an existing .parquet, .jsonl or .csv file, or reads like a hub id."""
    if Path(source).suffix in SUFFIXES:
        if not Path(source).is_file():
            raise ValueError(f"{source} is not a file")
    elif not HUB_ID.fullmatch(source):
        raise ValueError(
            f"{source} is neither a .parquet, .jsonl or .csv file nor a hub id (owner/name[/configuration][:split])"
        )


def read_rows(source: str, split: str) -> Iterable[Any]:
    """The rows of a file or a hub id, which takes the hub's `split` unless it names one itself.

    Raises:
        ValueError: naming the source where it can't be read, and for JSONL the row.
    """
    suffix = Path(source).suffix
    if suffix == ".jsonl":
        return read_jsonl(Path(source))
    if suffix == ".csv":
        return read_csv(Path(source))
    if suffix == ".parquet":
        return read_dataset(source, "parquet", data_files=source, split="train", streaming=True)
    hub = HUB_ID.fullmatch(source)
    assert hub is not None  # check_source
    name, configuration, given = hub.groups()
    if configuration is None and (files := split_files(Path(name), given or split)):
        return chain.from_iterable(map(read_jsonl, files))
    return read_dataset(source, name, configuration, split=given or split)


def read_each(source: str, rows: Iterable[Any], make: Callable[[Any], T]) -> Iterator[T]:
    """What `make` makes of each row; its ValueError is given the source and the number of the row."""
    for number, row in enumerate(rows, start=1):
        try:
            yield make(row)
        except ValueError as error:
            raise ValueError(f"{source}, row {number}: {error}") from None


def read_jsonl(path: Path) -> Iterator[Any]:
    """One value a line, empty lines left out."""
    number = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 (the error names it)
                if line.strip():
                    yield json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}, row {number}: not JSON ({error})") from None
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """A row for each line after the first, which names the columns; every value is text."""
    try:
        csv.field_size_limit(2**31 - 1)  # the library's own limit is 128 KiB
        with path.open(newline="", encoding="utf-8-sig") as lines:
            yield from csv.DictReader(lines, strict=True)
    except (ValueError, csv.Error, OSError) as error:
        raise ValueError(f"{path} can't be read: {error}") from None


def read_dataset(source: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """The rows that `datasets.load_dataset` finds."""
    try:
        import datasets  # here, because it takes seconds and few runs need it

        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it has to say comes as the exception
        rows: Any = datasets.load_dataset(*args, **kwargs)
        for name, feature in (rows.features or {}).items():
            if isinstance(feature, datasets.Image):  # as bytes, and opened when it is read
                rows = rows.cast_column(name, datasets.Image(decode=False))
        yield from rows
    except Exception as error:  # it raises whatever its backends do
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{source} can't be read: {type(error).__name__}: {reason}") from error


def parse_json(text: str) -> Any:
    """The list or object that a text holds as JSON; None where it holds neither."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def read_prompt(value: Any) -> Prompt:
    """The chat messages of a row, or its plain text; ValueError where it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(map(is_message, value)):
        return tuple({"role": message["role"], "content": message["content"]} for message in value)
    raise ValueError("the prompt is neither text nor a list of messages with a role and a content")


def is_message(value: Any) -> bool:
    """Is it one message of a chat?"""
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)
