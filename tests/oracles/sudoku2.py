"""Sudoku2 is a small sudoku."""

from tests.oracles.sudoku import right as right
