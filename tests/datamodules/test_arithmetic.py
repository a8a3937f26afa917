"""Arithmetic: what is asked, how many problems there are, and the last number of a response, whatever it says."""

from __future__ import annotations

import itertools
import pickle
from decimal import Decimal
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.arithmetic import FORMS, Arithmetic, ArithmeticDataModule, ArithmeticProblem, last_number
from tests.datamodules.hostility import assert_extracts, assert_total


@pytest.mark.parametrize("level", FORMS)
@pytest.mark.parametrize("largest", [1, 4])
def test_every_problem_is_drawn_and_is_counted_exactly(level: str, largest: int) -> None:
    puzzle = Arithmetic(level, largest)
    drawn = [puzzle.generate(Random(index)) for index in range(1500 if largest > 1 else 5)]
    keys = {problem.key for problem in drawn}
    assert len(keys) == puzzle.capacity()
    assert all(1 <= operand <= largest for problem in drawn for operand in problem.operands)
    of_key: dict[str, set[int]] = {}
    for problem in drawn:
        of_key.setdefault(problem.key, set()).add(problem.value)
    assert all(len(values) == 1 for values in of_key.values())  # what is taken for one problem has one answer


@pytest.mark.parametrize("level", FORMS)
def test_the_value_is_pythons(level: str) -> None:
    for operands in itertools.islice(itertools.product([1, 7, 20], repeat=sum(FORMS[level].alike)), 27):
        problem = ArithmeticProblem(level, operands)
        assert problem.value == eval(problem.expression)  # in the test alone
        assert problem.score(problem.solution) == 1
        assert problem.extract_answer(problem.solution) == str(problem.value)
        assert problem.score(str(problem.value + 1)) == problem.score("") == 0


def test_a_problem() -> None:
    problem = ArithmeticProblem("addition", (12, 7))
    assert problem.prompt == ({"role": "user", "content": "What is 12 + 7? Answer briefly."},)
    assert (problem.label, problem.solution) == ("addition", "12 + 7 = 19")
    assert problem.key == ArithmeticProblem("addition", (7, 12)).key
    assert ArithmeticProblem("subtraction", (12, 7)).key != ArithmeticProblem("subtraction", (7, 12)).key
    assert pickle.loads(pickle.dumps(problem)) == problem


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("19", "19"), ("12 + 7 = 19", "19"), ("It is 19.", "19"), ("\\boxed{19}", "19"), ("**19**!", "19"),
        ("$19", "19"), ("19, of course", "19"), ("0019", "19"), ("19.0", "19"), ("19.50", "19.5"), ("(19)", "19"),
        ("1,234", "1234"), ("1,2,3", "3"), ("1,2345", "2345"), ("19\n\n", "19"), ("19 apples", "19"),
        ("5 - 12 = -7", "-7"), ("12-5", "5"), ("= \u22127", "-7"), ("-0", "0"), ("(3)-4", "4"), ("- 7", "7"),
        ("", None), ("nineteen", None), ("1e19", None), ("2^19", None), ("x19", None), ("3/19", None), ("19%", None),
        ("1.2.3", None), ("١٩", None), ("19th", None),
    ],
)  # fmt: skip
def test_the_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == number
    problem = ArithmeticProblem("addition", (12, 7))
    assert problem.score(text) == float(number == "19")


@given(st.lists(st.decimals(-(10**6), 10**6, places=2).map(lambda value: value.normalize()), min_size=1, max_size=4))
def test_plain_numbers_are_read_as_decimal_reads_them(numbers: list[Decimal]) -> None:
    found = last_number(" then ".join(f"{number:f}" for number in numbers))
    assert found is not None and Decimal(found) == numbers[-1]


@given(st.text())
def test_any_text_has_a_score(text: str) -> None:
    assert ArithmeticProblem("addition", (12, 7)).score(text) in (0, 1)


LONG = 100_000
HOSTILE = ["1" * LONG, "1" * LONG + "e", "111," * LONG + "1111", "-" * LONG, "1." * LONG, "1,1" * LONG, "1/" * LONG]


def test_long_answers_take_no_time() -> None:
    problem = ArithmeticProblem("addition", (12, 7))
    for text in HOSTILE:
        start = process_time()
        assert problem.score(text) == 0
        assert problem.extract_answer(text) is None or len(text) >= len(problem.extract_answer(text) or "")
        assert process_time() - start < 1, text[:20]


def test_hostile_answers() -> None:
    def hostile(random: Random, right: str, others: Any) -> str:
        pieces = [right, *others, "__import__('os')", "\x00", "\ud800", "9" * 5000, "-", ",", ".", "{}", "%s", "1e999"]
        return "".join(random.choices(pieces, k=random.randint(0, 12)))

    problem = ArithmeticProblem("multiplication_then_addition", (3, 4, 5))
    assert_total(problem.score, hostile, "17")
    assert_extracts(problem.extract_answer, hostile, "17")


def test_splits_are_apart_and_sets_are_levels(tmp_path: Path) -> None:
    splits = {"train": {"addition": 40, "two_additions": 5}, "validation": {"addition": 10}, "test": {"addition": 5}}
    data = ArithmeticDataModule(**splits, largest=10, cache_dir=tmp_path)  # 55 additions, and so every one of them
    data.prepare_data()
    data.setup("fit")
    keys = [problem.key for problems in data.splits.values() for problem in problems]
    assert len(keys) == len(set(keys)) == 60
    labels = {split: [problem.label for problem in problems] for split, problems in data.splits.items()}
    assert labels["train"] == ["addition"] * 40 + ["two_additions"] * 5
    again = ArithmeticDataModule(**splits, largest=10, cache_dir=tmp_path)
    assert again.load_splits()[0] == data.splits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": {"division": 4}}, "the level 'division' is none of addition, subtraction"),
        ({"train": {"addition": 179}}, "211 distinct addition problems are asked for over all splits, but only 210"),
        ({"largest": 0}, "largest=0 must be at least 1"),
        ({"question": "What is it?"}, "question='What is it.' must have {expression}"),
        ({"question": "{expression} {0}"}, "must have {expression}"),
        ({"validation": {}}, "the validation split is empty"),
    ],
)
def test_errors_at_the_door(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArithmeticDataModule(**changes)
