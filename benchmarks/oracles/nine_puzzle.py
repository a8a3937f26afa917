"""The 9 puzzle shifts."""

from benchmarks.oracles.shifting import right as right
