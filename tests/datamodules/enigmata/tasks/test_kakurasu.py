"""Kakurasu against all ways to blacken the cells of small grids."""

from __future__ import annotations

from itertools import product
from random import Random

from datamodules.enigmata.tasks.kakurasu import TASK, solutions, subsets
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.kakurasu import sums
from tests.oracles.reading import cells


def as_answer(solution: list[tuple[int, ...]]) -> str:
    return str([(row, column) for row, columns in enumerate(solution, 1) for column in columns])


def test_rows_count_columns_and_columns_count_rows() -> None:
    question = {"rows": [2, 0], "columns": [0, 1]}
    assert TASK.judge(question, "[(1, 2)]")
    assert not TASK.judge(question, "[(2, 1)]")
    assert not TASK.judge(question, "[(0, 1)]")


def test_solver_against_all_subsets() -> None:
    cells = list(product(range(1, 4), range(1, 5)))
    by_question: dict[str, list[str]] = {}
    for bits in product((0, 1), repeat=12):
        chosen = [cell for cell, bit in zip(cells, bits, strict=True) if bit]
        by_question.setdefault(str(sums(set(chosen), 3, 4)), []).append(str(chosen))
    random = Random(0)
    questions = [sums(set(random.sample(cells, 5)), 3, 4) for _ in range(20)]
    questions += [{"rows": [3, 3, 3], "columns": [3, 3, 3, 0]}]
    questions += [{"rows": [random.randint(0, 6) for _ in range(3)], "columns": [2, 1, 2, 1]} for _ in range(20)]
    numbers = set[int]()
    for question in questions:
        found = [as_answer(solution) for solution in solutions(question["rows"], question["columns"])]
        assert sorted(found) == sorted(by_question.get(str(question), []))
        assert TASK.judge(question, "No valid solution exists for the given Kakurasu puzzle.") == (not found)
        numbers.add(min(len(found), 2))
    assert numbers == {0, 1, 2}


def test_subsets() -> None:
    for total, largest in product(range(8), range(5)):
        choices = product(*([0, number] for number in range(1, largest + 1)))
        expected = sorted(tuple(filter(None, choice)) for choice in choices if sum(choice) == total)
        assert sorted(subsets(total, largest)) == expected


def test_one_solution_is_left() -> None:
    for problem in draws(TASK, 20):
        assert len(list(solutions(problem.question["rows"], problem.question["columns"]))) == 1


def test_harder_is_larger_or_fuller() -> None:
    black = {"easy": 0, "medium": 0, "hard": 0}
    for problem in draws(TASK, 30):
        black[problem.difficulty] += len(cells(problem.answer) or ())
    assert black["easy"] < black["medium"] < black["hard"]
