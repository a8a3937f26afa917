"""How the process keeps the memory that it frees."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST = 2**24
"""Bytes of a tensor whose memory is kept."""

UNUSED = 2**30
"""Bytes that a process may hold beside what is allocated; libraries take half of it."""


class Heap(ctypes.Structure):
    """`struct mallinfo2` of malloc.h; `uordblks` and `hblkhd` are the bytes that are allocated."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks"),
            "keepcost",
        )
    )


def reuse_freed_memory() -> None:
    """Have freed memory used again rather than given back to the system, where the C library is glibc.

    By default what lies free at the end of the heap is given back, more than 64 MB of it after every micro-batch, and
    the next one meets fresh pages, which the system first has to clear: 4 % of an iteration on a CPU. Tensors above
    LARGEST are mapped one by one: on the heap they leave gaps that little else fills, which for a policy of 134 M
    parameters with 49,152 tokens made 8 GB of 4 in twenty iterations.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Give what lies free back to the system where much of it is resident and the C library is glibc 2.33 or later.

    Called before and after sampling: its tensors do not fit into the gaps that those of training have left, nor
    the other way round.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    asked, trim = getattr(library, "mallinfo2", None), getattr(library, "malloc_trim", None)
    if asked is not None and trim is not None:
        asked.restype = Heap
        heap = asked()
        if resident_bytes() - heap.uordblks - heap.hblkhd > UNUSED:
            trim(0)


def resident_bytes() -> int:
    """What the process holds at this moment; 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * resource.getpagesize() if told.is_file() else 0
