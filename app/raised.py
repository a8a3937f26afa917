"""Where an error comes from, if it was raised in code of the user's: a scorer, a data module, a callback."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb

ROOT = Path(__file__).resolve().parents[1]
OWN = tuple(f"{ROOT / name}{os.sep}" for name in ("app", "callbacks", "datamodules"))
STDLIB = sysconfig.get_path("stdlib") + os.sep
INSTALLED = ("/site-packages/", "/dist-packages/")
"""Parts of the paths of installed libraries; files of a user lie elsewhere."""
LONGEST_CHAIN = 20
"""Exceptions that are looked through, each the cause or the context of the one before."""


def raised_at(error: BaseException) -> tuple[BaseException, str] | None:
    """The error of the user's code, and `my_task.py, line 7`: the last line of that code that ran before it.

    None where there is none, and where passk itself raised it in a call from such code: its messages stand alone. Looks
    through what the error was raised for, too. Never raises.
    """
    with suppress(Exception):  # whatever a class of the user's has in the places of an exception's attributes
        for each in _chain(error):
            place = _place(each)
            if place:
                return each, place
    return None


def is_installed(file: str) -> bool:
    """Is it a file of Python's own or of an installed library?"""
    return file.startswith(STDLIB) or any(part in file for part in INSTALLED)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, what it was raised for, and so on."""
    following: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if following is None:
            return
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _place(error: BaseException) -> str:
    """The user's line that an exception was raised in, or in what libraries it called; "" for none."""
    frames = [(frame.f_code.co_filename, number) for frame, number in walk_tb(error.__traceback__)]
    for file, number in reversed(frames):
        if file.startswith(OWN):
            return ""
        if not file.startswith("<") and not is_installed(file):
            return f"{_shown(file)}, line {number}"
    return ""


def _shown(file: str) -> str:
    """As it is named from the working folder, if it lies there."""
    folder = os.getcwd() + os.sep
    return file.removeprefix(folder)
