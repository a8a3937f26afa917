"""Reads rows of published data: a .parquet file, a .jsonl file, or a data set of the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from app.types import Prompt

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")


def check_source(source: str) -> None:
    """Raise ValueError unless `source` is an existing .parquet or .jsonl file, or reads like a hub id."""
    if Path(source).suffix in (".parquet", ".jsonl"):
        if not Path(source).is_file():
            raise ValueError(f"{source} is not a file")
    elif not HUB_ID.fullmatch(source):
        raise ValueError(f"{source} is neither a .parquet file, a .jsonl file nor a hub id (owner/name[:split])")


def read_rows(source: str, split: str) -> Iterable[Any]:
    """The rows of a file or a hub id, which takes the hub's `split` unless it names one itself.

    Raises:
        ValueError: naming the source where it can't be read, and for JSONL the row.
    """
    suffix = Path(source).suffix
    if suffix == ".jsonl":
        return read_jsonl(Path(source))
    if suffix == ".parquet":
        return read_dataset(source, "parquet", data_files=source, split="train", streaming=True)
    name, _, given = source.partition(":")
    return read_dataset(source, name, split=given or split)


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


def read_dataset(source: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """The rows that `datasets.load_dataset` finds."""
    try:
        import datasets  # here, because it takes seconds and few runs need it

        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it has to say comes as the exception
        yield from datasets.load_dataset(*args, **kwargs)
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
