"""The 8 puzzle slides."""

from benchmarks.oracles.sliding import right as right
