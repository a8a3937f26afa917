"""Configurations that come with passk, found wherever a command is run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "configs"


def with_shipped(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments, with `-c configs/NAME.yaml` as the file of passk where the working directory has none.

    Which file is read in its place is printed on stderr.
    """
    return list(_found(arguments))


def _found(arguments: Sequence[str]) -> Iterator[str]:
    is_value = False
    for argument in arguments:
        option, name = ("", argument) if is_value else _split(argument)
        is_value = argument in ("-c", "--config")
        path = Path(name)
        if name and path.parts[:1] == (FOLDER,) and not path.exists() and (ROOT / path).is_file():
            print(f"{name}: {ROOT / path}", file=sys.stderr)
            name = str(ROOT / path)
        yield option + name if name else argument


def _split(argument: str) -> tuple[str, str]:
    """`--config=FILE` and `-cFILE` in two; what gives no file, as it is and nothing."""
    found = re.fullmatch(r"(--config=|-c=?)(.+)", argument)
    return (found[1], found[2]) if found else (argument, "")
