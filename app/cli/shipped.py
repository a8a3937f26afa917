"""Finds the configurations shipped with passk, from any working directory."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.cli.front import is_first

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "configs"


def with_shipped(arguments: Sequence[str]) -> list[str]:
    """Replace `-c configs/NAME.yaml` by passk's own file if the working directory has no such file.

    The path of the file that is read is printed to stderr.
    """
    return list(_found(arguments))


def contents_of(arguments: Sequence[str]) -> Iterator[str]:
    """The text of every configuration file in the arguments; unreadable files are skipped."""
    for _, name in _options(arguments):
        if name and "\n" not in name and Path(name).is_file():
            yield Path(name).read_text(encoding="utf-8", errors="replace")


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each argument as two parts: what precedes a configuration file's name, and the name, "" if there is none."""
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
    """Split `--config=FILE` and `-cFILE` in two; for other arguments the second part is ""."""
    found = re.fullmatch(r"(--config=|-c=?)(.+)", argument)
    return (found[1], found[2]) if found else (argument, "")
