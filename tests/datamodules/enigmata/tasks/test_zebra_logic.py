"""Zebra logic: the prompt read by its oracle, all tables tried by a SAT solver."""

from __future__ import annotations

import pytest

from datamodules.enigmata.tasks.zebra_logic import TASK
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.zebra_logic import solutions


def test_the_prompt_has_one_solution() -> None:
    for problem in draws(TASK, 12):
        (places,) = solutions(problem.prompt)  # type: ignore[arg-type]
        table = {
            f"{kind}:{thing}": place
            for (kind, *_), row in zip(problem.question["kinds"], problem.question["table"], strict=True)
            for place, thing in enumerate(row, 1)
        }
        assert places == table


def test_no_clue_can_be_spared() -> None:
    for problem in draws(TASK, 3):
        for clue in problem.question["clues"]:
            fewer = [other for other in problem.question["clues"] if other != clue]
            assert len(solutions(TASK.ask({**problem.question, "clues": fewer}))) > 1


QUESTION = {
    "kinds": [["Pet", "cat", "dog"], ["Tree", "elm", "oak"]],
    "clues": [],
    "table": [["dog", "cat"], ["elm", "oak"]],
}


@pytest.mark.parametrize(
    "answer",
    [
        "| Pet | dog | cat |\n| Tree | elm | oak |",
        "|tree|ELM|oak|\n|pet|Dog|cat|",
        "Answer:\n|  | 1 | 2 |\n|---|:--:|---|\n| Pet | dog | cat |\n\n| Tree | elm | oak |",
        "Pet | dog | cat\nTree | elm | oak",
    ],
)
def test_right_answers(answer: str) -> None:
    assert TASK.judge(QUESTION, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "| Pet | dog | cat |",
        "| Pet | cat | dog |\n| Tree | elm | oak |",
        "| Pet | dog | cat |\n| Pet | cat | dog |\n| Tree | elm | oak |",
        "| Pet | Tree |\n| dog | elm |\n| cat | oak |",
        "| Pet | dog | cat | cat |\n| Tree | elm | oak |",
        "| Pet | dog | cat |\n| Tree | elm | oak |\n| Tree | oak | elm |",
        "|" * 10_000,
        "| Pet | dog " * 700,
        "|\n" * 5_000,
        "",
    ],
)
def test_wrong_answers(answer: str) -> None:
    assert not TASK.judge(QUESTION, answer)


def test_records() -> None:
    for problem in draws(TASK, 6):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        assert TASK.question_of({**record, "answer": record["answer"].partition("\n")[0]}) is None
    for meta in (None, {"question": 3}, {"question": ""}, {"question": "1. x"}, {"question": "\n".join("abc")}):
        assert TASK.question_of({"meta": meta, "answer": "| x |"}) is None


def test_difficulty() -> None:
    assert [len(problem.question["table"][0]) for problem in draws(TASK, 1)] == [2, 3, 4]
