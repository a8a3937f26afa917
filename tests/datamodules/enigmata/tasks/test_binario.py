"""Binario against all fillings of small squares."""

from __future__ import annotations

from itertools import product

import pytest

from datamodules.enigmata.tasks.binario import EMPTY, TASK, fillings
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.binario import follows_the_rules


def test_all_fillings_of_four_by_four() -> None:
    everything = [[list(bits[4 * r : 4 * r + 4]) for r in range(4)] for bits in product((0, 1), repeat=16)]
    found = list(fillings([[EMPTY] * 4 for _ in range(4)]))
    assert sorted(found) == sorted(grid for grid in everything if follows_the_rules(grid))


def test_one_solution_is_left() -> None:
    for problem in draws(TASK, 6):
        assert len(list(fillings(problem.question["grid"]))) == 1


@pytest.mark.parametrize(
    "wrap", [str, lambda text: text.replace(" ", ","), lambda text: f"[{text}]".replace("\n", "],\n[")]
)
def test_common_ways_to_write_a_grid(wrap) -> None:  # type: ignore[no-untyped-def]
    (problem, *_) = draws(TASK, 1)
    assert TASK.judge(problem.question, wrap(problem.answer))


def test_records_as_upstream_has_them() -> None:
    for problem in draws(TASK, 3):
        meta = TASK.meta(problem.question)
        assert TASK.question_of({"meta": meta, "answer": problem.answer}) == problem.question
        lines = "\n".join(" ".join("_" if cell is None else str(cell) for cell in row) for row in meta["question"])
        assert TASK.question_of({"meta": {"question": lines}, "answer": ""}) == problem.question
    for given in (None, 3, "x", [[0]], [[0, 1]], [[0, 2], [1, 0]], [[0, []], [1, 0]], [[True, 0], [1, 0]]):
        assert TASK.question_of({"meta": {"question": given}, "answer": ""}) is None
    assert TASK.question_of({"meta": None}) is None
