"""The 16 puzzle shifts."""

from benchmarks.oracles.shifting import right as right
