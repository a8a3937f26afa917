"""The 15 puzzle slides."""

from benchmarks.oracles.sliding import right as right
