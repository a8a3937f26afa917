"""Crosswords: every cell of the grid, and every order of the words."""

from __future__ import annotations

import re
from itertools import permutations

import pytest

from datamodules.enigmata.tasks.full_crosswords import CLUES, TASK, layout
from datamodules.enigmata.tasks.task import Question
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.full_crosswords import fits

SMALL: Question = {"text": "two by two", "across": ["AT", "NO"], "down": ["AN", "TO"]}


def test_words() -> None:
    assert all(re.fullmatch("[a-z]{5}|[a-z]{7}", word) for word in CLUES)
    assert len({*CLUES.values()}) == len(CLUES) > 500
    assert all(word not in clue.lower() and clue.isascii() for word, clue in CLUES.items())


def test_words_cross_and_their_clues_are_told() -> None:
    for problem in draws(TASK, 12):
        question, size = problem.question, 5 if problem.difficulty == "easy" else 7
        across, down = question["across"], question["down"]
        assert fits(layout(size), across, down)
        assert len({*across, *down}) == 6
        told = [line[2:] for line in str(problem.prompt).splitlines() if line.startswith("- ")]
        expected = [CLUES[word.lower()] for word in across + down]
        assert sorted(told[:3]) == sorted(expected[:3])
        assert sorted(told[3:]) == sorted(expected[3:])
        assert problem.difficulty == "hard" or told == expected
        ways = [fits(layout(size), list(a), list(d)) for a in permutations(across) for d in permutations(down)]
        assert problem.difficulty != "hard" or sum(ways) == 1


def test_hard_ones_are_shuffled() -> None:
    problems = draws(TASK, 10)[20:]
    orders = [[str(p.prompt).index(CLUES[word.lower()]) for word in p.question["across"]] for p in problems]
    assert any(order != sorted(order) for order in orders)


@pytest.mark.parametrize(
    "answer",
    [
        "across: AT, NO\ndown: AN, TO",
        "Across: at,no\n\nDown:  an ,to",
        "down: AN, TO\nacross: AT, NO",
        "ACROSS: [AT, NO]\nDOWN: ['AN', 'TO']",
        '{"across": ["AT", "NO"], "down": ["AN", "TO"]}',
        "{'down': ['AN', 'TO'],\n 'across': ['AT', 'NO']}",
        "- across: A T, N O,\n- down: AN, TO",
    ],
)
def test_common_spellings(answer: str) -> None:
    assert TASK.judge(SMALL, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "across: AT, NO",
        "across: NO, AT\ndown: AN, TO",
        "across: AT, NO, IF\ndown: AN, TO",
        "across: AT NO\ndown: AN TO",
        "across: AT, NO\ndown: AN, TO\ndown: AN, TO",
        "across: \uff21T, NO\ndown: AN, TO",
        "across:" * 1000,
        "AT\nNO",
        '{"across": ["AT", "NO"], "down": ["AN", "TO"], "down": ["AN", "TO"]}',
        "{" + "'across':" * 1000 + "}",
        ":" * 10000,
    ],
)
def test_wrong_answers(answer: str) -> None:
    assert not TASK.judge(SMALL, answer)


def test_upstream_record() -> None:
    for problem in draws(TASK, 5):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question
    assert TASK.question_of({"prompt": "x", "answer": {"across": ["a t"], "down": ["An"]}}) == {
        "text": "x",
        "across": ["AT"],
        "down": ["AN"],
    }


@pytest.mark.parametrize("answer", [None, "x", {}, {"across": ["A"]}, {"across": [1], "down": [2]}, {"across": "A"}])
def test_unreadable_record(answer: object) -> None:
    assert TASK.question_of({"prompt": "x", "answer": answer, "meta": {}}) is None
