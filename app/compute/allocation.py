"""How the process keeps the memory that it frees."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST = 2**26
"""Bytes of a tensor whose memory is kept."""


def reuse_freed_memory() -> None:
    """Have freed memory used again rather than given back to the system, where the C library is glibc.

    By default it maps every large tensor separately and unmaps it when it is freed, so that each activation of a
    training step meets fresh pages, which the system first has to clear: 4 % of an iteration on a CPU. The few above
    LARGEST are still mapped one by one: kept, they leave gaps that nothing else fills, which for a policy of 134 M
    parameters with 49,152 tokens made 6.5 GB of 4.9 in two updates.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
