"""Knights and knaves: the text read by the test's own reader, all worlds tried."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product

import pytest

from datamodules.puzzles.enigmata.knights_and_knaves import TASK
from datamodules.puzzles.enigmata.task import Question
from tests.datamodules.puzzles.enigmata.contract import check_contract, check_corrupted, check_distinct, draws

World = dict[str, bool]


def holds(sentence: str, world: World) -> bool:
    """Whether a sentence is true in a world in which these are knights."""
    sentence = sentence.rstrip(".")
    if match := re.fullmatch(r"(\w+) is a (knight|knave)", sentence):
        return world[match[1]] == (match[2] == "knight")
    if match := re.fullmatch(r"If (.+), then (.+)", sentence):
        return not holds(match[1], world) or holds(match[2], world)
    if match := re.fullmatch(r"Of (.+), exactly (\d) are knights", sentence):
        return sum(world[name] for name in re.findall(r"[A-Z]\w+", match[1])) == int(match[2])
    if match := re.fullmatch(r"(\w+) and (\w+) are of (the same kind|different kinds)", sentence):
        return (world[match[1]] == world[match[2]]) == (match[3] == "the same kind")
    if match := re.fullmatch(r"(.+), (and|or) (.+)", sentence):
        both = (holds(match[1], world), holds(match[3], world))
        return all(both) if match[2] == "and" else any(both)
    raise AssertionError(sentence)


def solved(text: str) -> tuple[str, int]:
    """The verdict, and how many worlds are possible."""
    people = re.findall(r"[A-Z]\w+", text.partition(" live here.")[0])
    said = re.findall(r'(\w+) says: "([^"]+)"', text)
    conclusion = text.rpartition("Statement: ")[2]
    worlds = [dict(zip(people, kinds, strict=True)) for kinds in product((False, True), repeat=len(people))]
    possible = [world for world in worlds if all(world[who] == holds(what, world) for who, what in said)]
    verdicts = {holds(conclusion, world) for world in possible}
    return "Unknown" if len(verdicts) == 2 else "Entailment" if True in verdicts else "Contradiction", len(possible)


def right(question: Question, answer: str) -> bool:
    return answer.strip(" \n\"'`").rstrip(".").lower() == solved(question["text"])[0].lower()


def test_contract() -> None:
    check_contract(TASK)


def test_distinct() -> None:
    check_distinct(TASK)


def test_corrupted_answers() -> None:
    check_corrupted(TASK, right, number=4, mutants=10)


def test_the_verdict_is_that_of_all_worlds() -> None:
    for problem in draws(TASK, 25):
        verdict, worlds = solved(problem.question["text"])
        assert verdict == problem.answer
        assert worlds >= 1
        assert worlds == 1 or problem.difficulty == "medium"


def test_every_verdict_occurs() -> None:
    counts = Counter((problem.difficulty, problem.answer) for problem in draws(TASK, 40))
    assert min(counts[level, verdict] for level in ("easy", "hard") for verdict in TASK.verdicts[:2]) >= 10
    assert min(counts["medium", verdict] for verdict in TASK.verdicts) >= 5


@pytest.mark.parametrize("answer", ["Entailment", '"entailment"', "ENTAILMENT.", " `Entailment` "])
def test_right_answers(answer: str) -> None:
    assert TASK.judge({"text": "", "verdict": "Entailment"}, answer)


@pytest.mark.parametrize(
    "answer", ["Contradiction", "Entailment or Unknown", "not Entailment", "Entail", "", "E" * 9999]
)
def test_wrong_answers(answer: str) -> None:
    assert not TASK.judge({"text": "", "verdict": "Entailment"}, answer)


def test_names_do_not_make_another_puzzle() -> None:
    (problem, *_) = draws(TASK, 1)
    names = re.findall(r"[A-Z]\w+", problem.question["text"].partition(" live here.")[0])
    renamed = problem.question["text"].replace(names[0], "Zeno!").replace(names[1], "Yara!").replace("!", "")
    assert TASK.canonical({**problem.question, "text": renamed}) == TASK.canonical(problem.question)


def test_records() -> None:
    for problem in draws(TASK, 3):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
    for record in ({}, {"meta": {"question": 3}, "answer": "Unknown"}, {"meta": {"question": "x"}, "answer": []}):
        assert TASK.question_of(record) is None


def test_difficulty() -> None:
    people = [problem.question["text"].partition(" live here.")[0].count(",") + 2 for problem in draws(TASK, 8)]
    assert max(people[:8]) <= 5 < 8 <= min(people[16:])
