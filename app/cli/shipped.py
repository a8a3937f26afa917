"""Configurations that come with passk, found wherever a command is run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.cli.front import is_first

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "configs"


def with_shipped(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments, with `-c configs/NAME.yaml` as the file of passk where the working directory has none.

    Which file is read in its place is printed on stderr.
    """
    return list(_found(arguments))


def contents_of(arguments: Sequence[str]) -> Iterator[str]:
    """The text of every configuration file that the arguments give; of what can't be read, nothing."""
    for _, name in _options(arguments):
        if name and "\n" not in name and Path(name).is_file():
            yield Path(name).read_text(errors="replace")


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each argument as what precedes a configuration file's name, and that name, which may be empty."""
    is_value = False
    for argument in arguments:
        yield ("", argument) if is_value else _split(argument)
        is_value = argument in ("-c", "--config")


def _found(arguments: Sequence[str]) -> Iterator[str]:
    for option, name in _options(arguments):
        path = Path(name)
        if name and path.parts[:1] == (FOLDER,) and not path.exists() and (ROOT / path).is_file():
            if is_first():
                print(f"{name}: {ROOT / path}", file=sys.stderr)
            name = str(ROOT / path)
        yield option + name


def _split(argument: str) -> tuple[str, str]:
    """`--config=FILE` and `-cFILE` in two; what gives no file, as it is and nothing."""
    found = re.fullmatch(r"(--config=|-c=?)(.+)", argument)
    return (found[1], found[2]) if found else (argument, "")
