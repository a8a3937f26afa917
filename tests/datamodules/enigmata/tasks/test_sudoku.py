"""Sudoku against a SAT solver."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from datamodules.enigmata.tasks.sudoku import TASK
from datamodules.enigmata.tasks.task import DIFFICULTIES
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.sat import exactly_one, models
from tests.oracles.sudoku import units

NINE = range(9)


def solutions(grid: list[list[int]], most: int = 2) -> list[list[list[int]]]:
    """By SAT: a variable to each digit of each cell."""
    number = {place: i for i, place in enumerate(product(NINE, NINE, NINE), 1)}
    clauses = [clause for r, c in product(NINE, NINE) for clause in exactly_one([number[r, c, d] for d in NINE])]
    clauses += [clause for u in units(9) for d in NINE for clause in exactly_one([number[r, c, d] for r, c in u])]
    clauses += [[number[r, c, grid[r][c] - 1]] for r, c in product(NINE, NINE) if grid[r][c]]
    found = models(clauses, most)
    return [[[next(d + 1 for d in NINE if number[r, c, d] in m) for c in NINE] for r in NINE] for m in found]


def test_the_only_solution_is_the_reference() -> None:
    for problem in draws(TASK, 3, seed=1):
        (solution,) = solutions(problem.question["grid"])
        assert [[int(cell) for cell in line.split()] for line in problem.answer.splitlines()] == solution


def test_every_solution_of_an_open_puzzle_passes() -> None:
    (problem, *_) = draws(TASK, 1)
    top = {"grid": [*problem.question["grid"][:5], *([0] * 9 for _ in range(4))]}
    found = solutions(top["grid"], 5)
    assert len(found) == 5
    assert all(TASK.judge(top, str(grid)) for grid in found)
    assert all(not TASK.judge(top, str([*grid[:5], grid[6], grid[5], *grid[7:-1], grid[-2]])) for grid in found)


def test_holes_grow_with_the_difficulty() -> None:
    holes = {d: [TASK.meta(p.question)["holes"] for p in draws(TASK, 5) if p.difficulty == d] for d in DIFFICULTIES}
    assert max(holes["easy"]) <= min(holes["medium"]) <= max(holes["medium"]) <= min(holes["hard"]) <= 50


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: text.replace(" ", ""),
        lambda text: text.replace(" ", ", "),
        lambda text: "[[" + text.replace(" ", ", ").replace("\n", "], [") + "]]",
        lambda text: "\n".join(f"{line}\n------+-------+------" for line in text.splitlines()),
        lambda text: "\n".join(f"| {line[:5]} | {line[6:11]} | {line[12:]} |" for line in text.splitlines()),
    ],
)
def test_common_ways_to_write_a_grid(wrap) -> None:  # type: ignore[no-untyped-def]
    (problem, *_) = draws(TASK, 1)
    assert TASK.judge(problem.question, wrap(problem.answer))


def test_other_digits_and_rules_are_no_grid() -> None:
    (problem, *_) = draws(TASK, 1)
    for wrong in ("\u0661", "\u00b2", "0", "10", "None"):
        assert not TASK.judge(problem.question, problem.answer.replace("1", wrong))
    assert not TASK.judge(problem.question, problem.answer + "\n" + problem.answer)


def test_digits_are_only_names() -> None:
    (problem, *_) = draws(TASK, 1)
    names = [0, *Random(0).sample(range(1, 10), 9)]
    renamed = {"grid": [[names[cell] for cell in row] for row in problem.question["grid"]]}
    assert renamed != problem.question
    assert TASK.canonical(renamed) == TASK.canonical(problem.question)
    moved = {"grid": problem.question["grid"][::-1]}
    assert TASK.canonical(moved) != TASK.canonical(problem.question)


def test_records() -> None:
    for problem in draws(TASK, 3):
        meta = TASK.meta(problem.question)
        record = {"meta": meta, "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        assert TASK.judge(problem.question, str(record["answer"]))
        text = "\n".join(" ".join(str(cell or ".") for cell in row) for row in meta["question"])
        assert TASK.question_of({"meta": {"question": text}}) == problem.question
    for broken in (None, [], "1 2", [[1]], [[0] * 9] * 8, [[10] + [0] * 8] * 9, [[True] * 9] * 9, [["a"] * 9] * 9, 5):
        assert TASK.question_of({"meta": {"question": broken}}) is None
    assert TASK.question_of({"meta": "1"}) is None
