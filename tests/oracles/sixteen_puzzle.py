"""The 16 puzzle shifts."""

from tests.oracles.shifting import right as right
