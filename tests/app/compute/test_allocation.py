"""Freed memory is used again: the pages of a micro-batch are not asked of the system anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

FAULTS = """
import resource, sys, torch
from app.compute.allocation import reuse_freed_memory
if sys.argv[1] == "keep":
    reuse_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        held = [torch.ones(int(sys.argv[2])) for _ in range(10)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(6)))  # the heap takes a round or two until one piece is large enough
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_tensors_take_the_pages_of_those_before() -> None:
    def faults(how: str, size: int = 3_000_000) -> int:
        command = [sys.executable, "-c", FAULTS, how, str(size)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 1000 < 0.1 * faults("leave")  # 100 x 12 MB are 290,000 pages
    assert faults("keep", 5_000_000) > 10_000  # 20 MB each go back to the system
