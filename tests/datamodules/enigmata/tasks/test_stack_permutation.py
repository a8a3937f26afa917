"""Stack permutations against all interleavings of pushes and pops."""

from __future__ import annotations

from collections import Counter
from itertools import permutations, product
from random import Random

import pytest

from datamodules.enigmata.tasks.stack_permutation import TASK, popped, steps_to
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.reading import says
from tests.oracles.stack_permutation import NEVER

NEAR = {"input": [3, 1, 2], "output": [1, 3, 2]}
BLOCKED = {"input": [1, 2, 3], "output": [3, 1, 2]}


def outcomes(pushed: tuple[int, ...]) -> Counter[tuple[int, ...]]:
    """The outputs of all sequences of as many pushes as pops."""
    found = Counter[tuple[int, ...]]()
    for steps in product((True, False), repeat=2 * len(pushed)):
        waiting, stack, output = list(pushed), [], []
        for push in steps:
            if not (waiting if push else stack):
                break
            stack.append(waiting.pop(0)) if push else output.append(stack.pop())
        found[tuple(output)] += len(output) == len(pushed)
    return +found


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_against_all_interleavings(length: int) -> None:
    pushed = tuple(Random(length).sample(range(1, 10), length))
    reached = outcomes(pushed)
    assert set(reached.values()) == {1}  # no output in two ways
    for output in permutations(pushed):
        steps = steps_to(pushed, output)
        assert (steps is not None) == (output in reached)
        assert steps is None or tuple(number for kind, number in steps if kind == "pop") == output


def test_every_output_is_as_likely() -> None:
    random = Random(0)
    counts = Counter(tuple(popped(random, (1, 2, 3, 4))) for _ in range(2800))
    assert counts.keys() == outcomes((1, 2, 3, 4)).keys()
    assert 140 < min(counts.values()) <= max(counts.values()) < 260


def test_both_kinds_are_drawn() -> None:
    for level in ("easy", "medium", "hard"):
        problems = [problem for problem in draws(TASK, 40) if problem.difficulty == level]
        assert 4 <= sum(says(problem.answer, NEVER) for problem in problems) <= 25
        lengths = {len(problem.question["input"]) for problem in problems}
        assert lengths == {"easy": {4, 5}, "medium": {6, 7}, "hard": {8, 9}}[level]


@pytest.mark.parametrize(
    "answer",
    [
        '["Push(3)", "Push(1)", "Pop()", "Pop()", "Push(2)", "Pop()"]',
        "Push(3), Push(1), Pop(), Pop(), Push(2), Pop()",
        "push(3) -> push(1) -> pop -> pop -> push(2) -> pop",
        "['Push(3)',\n 'Push( 1 )',\n 'Pop(1)', 'Pop(3)', 'Push(2)', 'Pop(2)']",
    ],
)
def test_the_right_steps(answer: str) -> None:
    assert TASK.judge(NEAR, answer)
    assert not TASK.judge(NEAR, answer.replace("2", "02"))
    assert not TASK.judge(BLOCKED, answer)
    assert not TASK.judge(NEAR, answer.replace("(3)", "(1)", 1))


@pytest.mark.parametrize(
    "answer",
    [
        "Push(3)",
        "Push(3)Push(1)Pop(3)Pop(1)Push(2)Pop()",
        "Push(3), Push(1), Pop(), Pop(), Push(2), Pop() are the steps",
        "Push(\u0663)",
        "not valid",
        '["not valid"]',
        NEVER,
        "pop(" + " " * 9000,
        "[" * 9999,
        "pop" * 3333,
        "",
    ],
)
def test_anything_else_is_wrong(answer: str) -> None:
    assert not TASK.judge(NEAR, answer)
    assert TASK.judge(BLOCKED, answer) == (answer == NEVER)


def test_names_of_numbers_do_not_matter() -> None:
    other = {"input": [7, 5, 9], "output": [5, 7, 9]}
    assert TASK.canonical(other) == TASK.canonical(NEAR) != TASK.canonical(BLOCKED)


def test_record() -> None:
    for problem in draws(TASK, 5):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert ("not" in answer) == says(problem.answer, NEVER)
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question
    for pushed, output in (
        ([1, 2], [1, 3]),
        ([1, 1], [1, 1]),
        ([], []),
        ("12", "21"),
        ([True, 2], [2, 1]),
        ([1], [[1]]),
    ):
        assert TASK.question_of({"meta": {"input_sequence": pushed, "output_sequence": output}}) is None
    assert TASK.question_of({}) is None
