"""Freed memory is used again: the pages of a micro-batch are not asked of the system anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

FAULTS = """
import resource, sys, torch
from app.compute.allocation import reuse_freed_memory
reuse_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        held = [torch.ones(int(sys.argv[1])) for _ in range(10)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(6)))  # the heap takes a round or two until one piece is large enough
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_tensors_take_the_pages_of_those_before() -> None:
    def faults(size: int) -> int:
        command = [sys.executable, "-c", FAULTS, str(size)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert faults(3_000_000) < 1000  # 100 x 12 MB are 290,000 pages
    assert faults(5_000_000) > 400_000  # 20 MB each go back to the system


FREED = """
import torch
from app.compute.allocation import resident_bytes, return_freed_memory, reuse_freed_memory
reuse_freed_memory()
tensors = [torch.ones(3_000_000) for _ in range(120)]  # 1.44 GB
between = [torch.ones(1000) for _ in range(120)]  # the heap can't end before these
del tensors
before = resident_bytes()
return_freed_memory()
print(before - resident_bytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_much_free_memory_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 1.3e9
