"""What the watcher of the scoring process asks of the operating system."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from glob import glob
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""Of prctl(2)."""


def children_of(pid: int) -> list[int]:
    """The processes that a process has started or, where it takes in orphans, been given; Linux alone tells."""
    found: list[int] = []
    for path in glob(f"/proc/{pid}/task/*/children"):
        with suppress(OSError):
            found += map(int, Path(path).read_text().split())
    return found


def has_ended(pid: int) -> bool:
    """Has it ended, whether or not its status has been asked for?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def kill(pid: int) -> None:
    """End a process at once; one that is gone is none."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def prctl(option: int, value: int) -> None:
    """Nothing on other systems than Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
