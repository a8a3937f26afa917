"""How the process keeps the memory that it frees."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST = 2**24
"""Bytes of a tensor whose memory is kept."""

FREE = 2**29
"""Bytes that may lie free between sampling and training."""


class Heap(ctypes.Structure):
    """`struct mallinfo2` of malloc.h; `fordblks` are the bytes that lie free."""

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
    """Give what lies free back to the system if it is more than FREE, where the C library is glibc 2.33 or later.

    Called between sampling and training: tensors of the one do not fit into the gaps that those of the other have left.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    free, trim = getattr(library, "mallinfo2", None), getattr(library, "malloc_trim", None)
    if free is not None and trim is not None:
        free.restype = Heap
        if free().fordblks > FREE:
            trim(0)
