"""Reads rows of published data: a .parquet, .jsonl, .json or .csv file, or a data set of the hub."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from app.hub import offline_where_unreachable
from app.storage.fetched import check_fetched
from app.types import Problem
from datamodules.sources.folders import split_files
from datamodules.sources.json_text import first_repeat, json_list, strict_json
from datamodules.sources.plain import as_written

log = logging.getLogger(__name__)

T = TypeVar("T")

HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:/([\w.-]+))?(?::([\w.-]+))?")
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")
OTHER_SUFFIXES = (
    ".ndjson",
    ".tsv",
    ".txt",
    ".gz",
    ".zst",
    ".xz",
    ".bz2",
    ".zip",
    ".arrow",
    ".feather",
    ".xlsx",
)
"""Suffixes of common data files that are not supported: such a name is no hub id."""


def check_source(source: str) -> None:
    """Raise ValueError unless `source` is a file of one of the SUFFIXES, a saved Dataset, or looks like a hub id."""
    path = Path(source)
    if path.suffix.lower() in SUFFIXES:
        if not path.is_file():
            raise ValueError(f"{source} is not a file")
    elif is_saved(path):
        return
    elif not HUB_ID.fullmatch(source) or path.is_file() or path.suffix.lower() in OTHER_SUFFIXES:
        raise ValueError(
            f"{source} is neither a .parquet, .jsonl, .json or .csv file nor a hub id "
            "(owner/name[/configuration][:split])"
        )


def is_saved(folder: Path) -> bool:
    """Whether `Dataset.save_to_disk` has written this folder; a DatasetDict's folder holds one for each split."""
    return (folder / "state.json").is_file()


def read_rows(source: str, split: str) -> Iterable[Any]:
    """The rows of a file or of a hub data set, of which `split` is read unless the id names another.

    File names are not patterns: brackets, stars and question marks are literal.

    Raises:
        ValueError: the source cannot be read; names it, and for a file the row.
    """
    readers = {".jsonl": read_jsonl, ".json": read_json, ".csv": read_csv, ".parquet": read_parquet}
    read = readers.get(Path(source).suffix.lower())
    if read is not None:
        check_fetched(Path(source))
        return read(Path(source))
    if is_saved(Path(source)):
        return read_dataset(source, source)
    hub = HUB_ID.fullmatch(source)
    assert hub is not None  # by check_source
    name, configuration, given = hub.groups()
    if configuration is None and (files := split_files(Path(name), given or split)):
        check_fetched(*files)
        return Rows(chain.from_iterable(map(_json_lines, files)))
    offline_where_unreachable()
    return read_dataset(source, name, configuration, split=given or split)


class Rows(Iterator[Any]):
    """The rows of files; `where` names the latest row, "train.jsonl, row 41", counting blank lines too."""

    def __init__(self, numbered: Iterator[tuple[Path, int, Any]]) -> None:
        self.numbered, self.where = numbered, ""

    def __next__(self) -> Any:
        file, number, row = next(self.numbered)
        self.where = f"{file}, row {number}"
        return row


def located(source: str, rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Each row, preceded by its name in messages: "train.jsonl, row 41"."""
    for count, row in enumerate(rows, start=1):
        yield rows.where if isinstance(rows, Rows) else f"{source}, row {count}", row


def placed(made: T, where: str) -> T:
    """The value made from a row; a problem stores the row's place, which is not part of its identity."""
    if isinstance(made, Problem):
        object.__setattr__(made, "origin", where)  # problems are frozen
    return made


def parse_rows(
    source: str, rows: Iterable[Any], make: Callable[[Any], T], max_skipped_rows: float = 0.0
) -> Iterator[T]:
    """Apply `make` to each row; a problem stores the place of its row.

    Args:
        source: its name in errors.
        rows: the rows of the source.
        make: raises ValueError for a row that it cannot parse.
        max_skipped_rows: the share of rows that may fail; they are skipped, and counted in a warning.

    Raises:
        ValueError: more rows than allowed fail (the error of the first); the source has no rows.
    """
    number, faults = 0, list[str]()
    for where, row in located(source, rows):
        number += 1
        try:
            made = placed(make(row), where)
        except ValueError as error:
            faults.append(f"{where}: {error}")
            if not max_skipped_rows:
                break
        else:
            yield made
    if not number:
        raise ValueError(f"{source} holds no rows")
    if len(faults) > max_skipped_rows * number:
        bound = f"of {number} rows, above max_skipped_rows={max_skipped_rows:g}"
        raise ValueError(faults[0] + f" (and {len(faults) - 1} more {bound})" * bool(max_skipped_rows))
    if faults:
        log.warning("%d of %d rows are left out; the first: %s", len(faults), number, faults[0])


def read_jsonl(path: Path) -> Rows:
    """One value per line; blank lines are skipped.

    Invalid or ambiguous JSON is an error: NaN, a repeated key in an object, a lone surrogate.
    """
    return Rows(_json_lines(path))


def read_json(path: Path) -> Rows:
    """The values of one list, or one value per line: `datasets` and pandas write both with this suffix."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            first = next((char for char in iter(lambda: file.read(1), "") if not char.isspace()), "")
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    return Rows(_json_list(path) if first == "[" else _json_lines(path))


def _json_list(path: Path) -> Iterator[tuple[Path, int, Any]]:
    number = 0
    try:
        for number, value in enumerate(json_list(path.read_bytes().decode("utf-8-sig")), start=1):
            yield path, number, value
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 ({error.reason} {error.object[error.start]:#x})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}, row {number + 1}: not JSON ({error})") from None


def _json_lines(path: Path) -> Iterator[tuple[Path, int, Any]]:
    number = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield path, number, strict_json(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, row {number}: not UTF-8 ({error.reason} {error.object[error.start]:#x})") from None
    except (ValueError, RecursionError) as error:
        is_first = path.suffix.lower() == ".json" and number == 1
        hint = "; a .json file is one list of rows, or a row per line" * is_first
        raise ValueError(f"{path}, row {number}: not JSON ({error}){hint}") from None
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None


def read_csv(path: Path) -> Rows:
    """A row for each record after the first, which has the column names; values are text, blank lines are skipped."""
    return Rows(_csv_records(path))


def _csv_records(path: Path) -> Iterator[tuple[Path, int, dict[str, str]]]:
    csv.field_size_limit(2**31 - 1)  # the default limit is 128 KiB
    number = -1  # the record of column names
    try:
        # bytes that are not UTF-8 become escapes, so that the error names the row, not a block of the file
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as lines:
            names: list[str] = []
            for number, values in enumerate(filter(None, csv.reader(lines, strict=True))):
                try:
                    "".join(values).encode()
                except UnicodeEncodeError as error:
                    raise ValueError(f"not UTF-8 (byte {ord(error.object[error.start]) - 0xDC00:#x})") from None
                names = names or values
                if len(values) != len(names):
                    raise ValueError(f"{len(values)} values for {len(names)} columns")
                if number:
                    yield path, number, dict(zip(names, values, strict=True))
                elif repeat := first_repeat(names):
                    raise ValueError(f"the column {repeat!r} stands there twice")
    except csv.Error as error:
        raise ValueError(f"{path}, {_record(number + 1)}: not CSV ({error})") from None
    except ValueError as error:
        raise ValueError(f"{path}, {_record(number)}: {error}") from None
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None


def _record(number: int) -> str:
    return f"row {number}" if number > 0 else "the names of the columns"


def read_parquet(path: Path) -> Rows:
    """The rows of a Parquet file as plain values: bytes stay bytes; a picture becomes its bytes and its path."""
    return Rows(_parquet_rows(path))


def _parquet_rows(path: Path) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    number = 0
    try:
        from pyarrow.parquet import ParquetFile  # few runs need it

        with path.open("rb") as opened, ParquetFile(opened) as file:
            if repeat := first_repeat(file.schema_arrow.names):
                raise ValueError(f"the column {repeat!r} stands there twice")
            for batch in file.iter_batches(batch_size=256):
                for place in range(len(batch)):
                    (row,) = as_written(batch.slice(place, 1))
                    number += 1
                    yield path, number, row
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, row {number + 1}: not UTF-8 ({error.reason})") from None
    except Exception as error:  # it raises errors of any class
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{path} can't be read: {reason}") from None


def read_dataset(source: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """The rows of `datasets.load_dataset`, or of a saved Dataset; pictures are left as their bytes and paths.

    Decoding a row, `datasets` would open that path, a file of this machine or a URL.
    """
    try:
        import datasets  # takes seconds, and few runs need it

        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # the exception has its messages
        load = datasets.load_from_disk if is_saved(Path(source)) else datasets.load_dataset
        rows: Any = load(*args, **kwargs)
        stored = datasets.Features(_undecoded(dict(rows.features or {})))
        for table in rows.with_format("arrow").iter(batch_size=16):
            plain = as_written(table)
            yield from map(stored.decode_example, plain) if stored else plain
    except Exception as error:  # its backends raise errors of any class
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{source} can't be read: {type(error).__name__}: {reason}") from error


def _undecoded(feature: Any) -> Any:
    """A column's type without decoding of types that open files; text with JSON opens none."""
    if isinstance(feature, dict):
        return {name: _undecoded(each) for name, each in feature.items()}
    if isinstance(feature, list):
        return [_undecoded(each) for each in feature]
    if hasattr(feature, "feature"):  # a list's element type
        return replace(feature, feature=_undecoded(feature.feature))
    opens = hasattr(feature, "decode") and type(feature).__name__ != "Json"
    return replace(feature, decode=False) if opens else feature
