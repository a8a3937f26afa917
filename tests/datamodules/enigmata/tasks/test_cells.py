"""What holds of all tasks that are answered with cells."""

from __future__ import annotations

import pytest

from datamodules.enigmata.tasks.task import task_named
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.reading import cells as cells_in

NAMES = ("hitori", "kakurasu", "light_up", "minesweeper")


@pytest.mark.parametrize("name", NAMES)
def test_spellings(name: str) -> None:
    """Cells in any order, with any brackets and spaces, or with none around them; not half of them, nor more."""
    for problem in draws(task_named(name), 2):
        answer, judge = problem.answer, problem.task.judge
        cells = cells_in(answer) or []
        assert cells == sorted(cells)
        assert cells
        backward = str(cells[::-1])
        for right in (backward, answer.replace(" ", ""), answer.replace("(", "[").replace(")", "]"), answer[1:-1],
                      answer.replace("), ", ")\n"), f"{{{answer[1:-1]}}}", f' "{answer}" '):  # fmt: skip
            assert judge(problem.question, right), right
        beside = (cells[0][0], cells[0][1] + 1)
        for wrong in ("[]", "()", "", str(cells[1:]), str([*cells, (99, 99)]), f"{answer}]", f"cells={answer}",
                      answer.replace("(", "(-"), str([*cells[1:], beside]), str(set(cells)) + "x", "[" * 9_000,
                      "(" + " " * 9_000, "(1," * 3_000, answer.replace("(", "(0"), f"{answer} or not"):  # fmt: skip
            assert not judge(problem.question, wrong), wrong


@pytest.mark.parametrize("name", NAMES)
def test_records(name: str) -> None:
    """A question written as upstream's record, and read back, is the same puzzle; junk is none."""
    task = task_named(name)
    for problem in draws(task, 3):
        answer = task.upstream_answer(problem.question, problem.answer)
        assert answer == [list(cell) for cell in cells_in(problem.answer) or ()]
        record = {"meta": task.meta(problem.question), "answer": answer}
        again = task.question_of(record)
        assert again is not None
        assert task.canonical(again) == task.canonical(problem.question)
        assert task.judge(again, problem.answer)
    for junk in (None, "", [], [[]], [["."], 3], [[1], [1, 2]], [[None]], [[True]], 7, {"a": 1}, "\n", "x" * 99):
        assert task.question_of({"meta": {"question": junk}, "answer": None}) is None
    assert task.question_of({"meta": {}, "answer": None}) is None
