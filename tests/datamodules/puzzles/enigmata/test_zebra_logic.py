"""Zebra logic: the prompt read by the test's own reader, all tables tried by a SAT solver or one by one."""

from __future__ import annotations

import re
from itertools import combinations, product

import pytest
from pysat.solvers import Minisat22

from datamodules.puzzles.enigmata.task import Question
from datamodules.puzzles.enigmata.zebra_logic import TASK
from tests.datamodules.puzzles.enigmata.contract import check_contract, check_corrupted, check_distinct, draws

FORMS = {
    r"(\S+) is with (\S+)": lambda n, a, b: a == b,
    r"(\S+) is directly left of (\S+)": lambda n, a, b: b - a == 1,
    r"(\S+) is directly right of (\S+)": lambda n, a, b: a - b == 1,
    r"(\S+) is on the far left": lambda n, a: a == 1,
    r"(\S+) is on the far right": lambda n, a: a == n,
    r"(\S+) is in the middle": lambda n, a: a - 1 == n - a,
    r"(\S+) is directly between (\S+) and (\S+)": lambda n, a, b, c: {a - b, a - c} == {1, -1},
}


def solutions(prompt: str) -> list[dict[str, int]]:
    """Where each thing may stand: one variable per thing and place, every combination that a clue forbids a clause."""
    kinds = [(kind, things.split(", ")) for kind, things in re.findall(r"^([A-Z]\w+): (.+)$", prompt, re.M)]
    names, size = [f"{kind}:{thing}" for kind, things in kinds for thing in things], len(kinds[0][1])
    places = range(1, size + 1)
    number = {(name, place): i for i, (name, place) in enumerate(product(names, places), 1)}
    clauses = [[number[name, place] for place in places] for name in names]
    clauses += [[-number[name, a], -number[name, b]] for name in names for a, b in combinations(places, 2)]
    for kind, things in kinds:
        for (a, b), place in product(combinations(things, 2), places):
            clauses.append([-number[f"{kind}:{a}", place], -number[f"{kind}:{b}", place]])
    for clue in re.findall(r"^\s*\d+\. (.+)\.$", prompt, re.M):
        match, allows = next((match, check) for form, check in FORMS.items() if (match := re.fullmatch(form, clue)))
        for combination in product(places, repeat=len(match.groups())):
            if not allows(size, *combination):
                clauses.append([-number[name, place] for name, place in zip(match.groups(), combination, strict=True)])
    with Minisat22(bootstrap_with=clauses) as solver:
        models = [set(model) for _, model in zip(range(3), solver.enum_models(), strict=False)]
    return [{name: place for (name, place), i in number.items() if i in model} for model in models]


def right(question: Question, answer: str) -> bool:
    (places,) = solutions(TASK.ask(question))
    wanted = {
        kind.lower(): [
            place.split(":")[1] for place in sorted(places, key=places.__getitem__) if place.startswith(kind)
        ]
        for kind, *_ in question["kinds"]
    }
    lines = [line.strip() for line in answer.split("\n") if line.strip()]
    lines = [line for line in lines if "|" in line and not set(line) <= set("|-: ")]
    cells = [[cell.strip().lower() for cell in line.strip("|").split("|")] for line in lines]
    return len(cells) == len(wanted) and {row[0]: row[1:] for row in cells} == wanted


def test_contract() -> None:
    check_contract(TASK)


def test_distinct() -> None:
    check_distinct(TASK)


def test_corrupted_answers() -> None:
    check_corrupted(TASK, right, number=4, mutants=15)


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
