"""Calls of the operating system for the watcher of the scoring process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from glob import glob
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""Options of prctl(2)."""


def children_of(pid: int) -> list[int]:
    """A process's children, adopted orphans included; only on Linux, else none."""
    found: list[int] = []
    for path in glob(f"/proc/{pid}/task/*/children"):
        with suppress(OSError):
            found += map(int, Path(path).read_text(encoding="utf-8").split())
    return found


def has_ended(pid: int) -> bool:
    """Whether a process has ended, even if nobody has waited for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def kill(pid: int) -> None:
    """Kill a process; one that no longer exists is ignored."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def prctl(option: int, value: int) -> None:
    """Call prctl(2); does nothing on systems other than Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
