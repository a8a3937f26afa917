"""Light Up against all ways to place bulbs on small boards."""

from __future__ import annotations

from itertools import product
from random import Random

from datamodules.enigmata.tasks.light_up import TASK, bits, board, solutions
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.light_up import follows_the_rules


def test_solver_against_all_subsets() -> None:
    random = Random(0)
    numbers = set[int]()
    for _ in range(40):
        grid = ["".join(random.choices(".#012", (8, 2, 1, 1, 1), k=3)) for _ in range(3)]
        white = [(r, c) for r in range(3) for c in range(3) if grid[r][c] == "."]
        choices = product((0, 1), repeat=len(white))
        subsets = ({cell for cell, bit in zip(white, chosen, strict=True) if bit} for chosen in choices)
        expected = sorted(sorted(subset) for subset in subsets if follows_the_rules(grid, subset))
        assert sorted([divmod(cell, 3) for cell in bits(found)] for found in solutions(board(tuple(grid)))) == expected
        for cells in expected:
            assert TASK.judge({"grid": grid}, str(cells))
        sentence = "No solution, unable to solve the given Light Up puzzle."
        assert TASK.judge({"grid": grid}, f'"{sentence}"') == (not expected)
        numbers.add(min(len(expected), 2))
    assert numbers == {0, 1, 2}


def test_one_solution_is_left() -> None:
    for problem in draws(TASK, 6):
        assert len(list(solutions(board(tuple(problem.question["grid"]))))) == 1


def test_black_cells_with_and_without_numbers_stop_the_light() -> None:
    for wall in "#2":
        question = {"grid": [f".{wall}."]}
        assert TASK.judge(question, "[(0, 0), (0, 2)]")
        assert not TASK.judge(question, "[(0, 0)]")
    assert not TASK.judge({"grid": [".1."]}, "[(0, 0), (0, 2)]")
    assert not TASK.judge({"grid": ["..."]}, "[(0, 0), (0, 2)]")


def test_harder_has_fewer_numbers() -> None:
    share = {"easy": (5, 5), "medium": (5, 4), "hard": (7, 4)}
    for problem in draws(TASK, 3):
        signs = "".join(problem.question["grid"]).replace(".", "")
        assert (len(signs), len(signs.replace("#", ""))) == share[problem.difficulty]
