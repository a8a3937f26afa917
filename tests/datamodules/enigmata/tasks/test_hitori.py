"""Hitori against all ways to blacken the cells of small squares."""

from __future__ import annotations

from itertools import product
from random import Random

from datamodules.enigmata.tasks.hitori import TASK, solutions
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.hitori import follows_the_rules


def all_solutions(grid: list[list[int]]) -> list[list[tuple[int, int]]]:
    cells = [(row, column) for row in range(3) for column in range(3)]
    subsets = ([cell for cell, bit in zip(cells, bits, strict=True) if bit] for bits in product((0, 1), repeat=9))
    return sorted(subset for subset in subsets if follows_the_rules(grid, set(subset)))


def test_solver_against_all_subsets() -> None:
    random = Random(0)
    numbers = set[int]()
    for _ in range(10):
        grid = [[random.randint(1, 3) for _ in range(3)] for _ in range(3)]
        found = sorted(solutions(grid))
        assert found == all_solutions(grid)
        numbers.add(min(len(found), 2))
        sentence = "No valid solution exists for the given Hitori puzzle."
        assert TASK.judge({"grid": grid}, f'"{sentence}"') == (not found)
    assert numbers == {0, 1, 2}


def test_one_solution_is_left() -> None:
    for problem in draws(TASK, 20):
        assert len(list(solutions(problem.question["grid"]))) == 1


def test_other_names_of_the_numbers_are_the_same_puzzle() -> None:
    (problem, *_) = draws(TASK, 1)
    renamed = {"grid": [[9 - number for number in row] for row in problem.question["grid"]]}
    assert renamed != problem.question
    assert TASK.canonical(renamed) == TASK.canonical(problem.question)


def test_harder_is_larger() -> None:
    sizes = [(p.difficulty, len(p.question["grid"])) for p in draws(TASK, 12)]
    assert set(sizes) == {("easy", 3), ("easy", 4), ("medium", 4), ("hard", 5)}
