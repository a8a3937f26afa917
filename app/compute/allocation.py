"""Controls how the C library keeps or returns freed memory."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h
LARGEST = 2**24
"""The largest tensor, in bytes, whose freed memory is kept."""

UNUSED = 2**30
"""Resident bytes beyond the allocated ones above which memory is returned; libraries take half of them."""


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
    """Make glibc reuse freed memory instead of returning it to the system; other C libraries: does nothing.

    By default glibc returns free memory at the end of the heap, more than 64 MB after every micro-batch, and the next
    micro-batch gets new pages, which the system first has to clear: 4 % of an iteration on a CPU. Tensors above
    LARGEST are mapped separately: on the heap they leave gaps that few tensors fit into; with a policy of 134 M
    parameters and 49,152 tokens, 4 GB grew to 8 GB in twenty iterations.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Return free memory to the system if much of it is resident; needs glibc 2.33 or later, else does nothing.

    Called before and after sampling: tensors of sampling do not fit into the gaps that those of training leave, and
    vice versa.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    asked, trim = getattr(library, "mallinfo2", None), getattr(library, "malloc_trim", None)
    if asked is not None and trim is not None:
        asked.restype = Heap
        heap = asked()
        if resident_bytes() - heap.uordblks - heap.hblkhd > UNUSED:
            trim(0)


def resident_bytes() -> int:
    """The process's resident memory at this moment; 0 if the system does not report it."""
    told = Path("/proc/self/statm")
    return int(told.read_text(encoding="utf-8").split()[1]) * resource.getpagesize() if told.is_file() else 0
