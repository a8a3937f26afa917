"""Sudoku2 is a small sudoku."""

from benchmarks.oracles.sudoku import right as right
