"""Binario against all fillings of small squares."""

from __future__ import annotations

from itertools import product

import pytest

from datamodules.puzzles.enigmata.binario import EMPTY, TASK, fillings
from datamodules.puzzles.enigmata.task import Question
from tests.datamodules.puzzles.enigmata.contract import check_contract, check_corrupted, check_distinct, draws


def follows_the_rules(rows: list[list[int]]) -> bool:
    lines = [*rows, *([row[c] for row in rows] for c in range(len(rows)))]
    texts = ["".join(map(str, line)) for line in lines]
    return all(text.count("0") == text.count("1") and "000" not in text and "111" not in text for text in texts)


def right(question: Question, answer: str) -> bool:
    rows = [[int(word) for word in line.split() if word in ("0", "1")] for line in answer.splitlines() if line.strip()]
    size = len(question["grid"])
    words = answer.split()
    if set(words) - {"0", "1"} or len(rows) != size or any(len(row) != size for row in rows):
        return False
    kept = all(question["grid"][r][c] in (EMPTY, rows[r][c]) for r, c in product(range(size), repeat=2))
    return kept and follows_the_rules(rows)


def test_contract() -> None:
    check_contract(TASK)


def test_distinct() -> None:
    check_distinct(TASK)


def test_corrupted_answers() -> None:
    check_corrupted(TASK, right)


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
