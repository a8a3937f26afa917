"""Freed memory is used again: a large tensor's pages are not asked of the system anew."""

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
        torch.ones(int(sys.argv[2]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(6)))  # the heap takes a round or two until one piece is large enough
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_a_tensor_takes_the_pages_of_the_one_before() -> None:
    def faults(how: str, size: int = 12_000_000) -> int:
        command = [sys.executable, "-c", FAULTS, how, str(size)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 100 < 0.1 * faults("leave")  # 10 x 48 MB are 117,000 pages
    assert faults("keep", 20_000_000) > 1000  # 80 MB go back to the system
