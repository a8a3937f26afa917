"""How the process keeps the memory that it frees."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> None:
    """Have freed memory used again rather than given back to the system, where the C library is glibc.

    By default it maps every large tensor separately and unmaps it when it is freed, so that each activation of a
    training step meets fresh pages, which the system first has to clear: 4 % of an iteration on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
