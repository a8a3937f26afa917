"""Which option an answer takes, and how options are read."""

from __future__ import annotations

import pytest

from benchmarks.hostile_maths import hostile_maths
from datamodules.choices import Choice, ChoiceScorer, OpenScorer, chosen, lettered, read_choice, read_list
from tests.datamodules.hostility import assert_total

OPTIONS = ("12 cm", "B", "a circle", "12 m")


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        *[
            (text, "A")
            for text in ("A", "(A)", "A.", "A)", r"\text{A}", r"\mathbf{A}", "12 cm", "a", "A. 12 cm", "(a) 12")
        ],
        ("B", "B"),
        ("C", "C"),
        ("a circle", "C"),
        ("D: whatever", "D"),
        *[(text, None) for text in ("E", "AB", "A, B", "A or B", "12", "", "Z", "é", "1")],
    ],
)
def test_which_option_an_answer_takes(answer: str, letter: str | None) -> None:
    assert chosen(answer, OPTIONS) == letter


def test_two_options_of_the_same_words_are_told_apart_by_letter_alone() -> None:
    assert chosen("yes", ("yes", "yes")) is None
    assert chosen("B", ("yes", "yes")) == "B"


@pytest.mark.parametrize(
    ("response", "score"),
    [
        (r"It must be \boxed{C}.", 1.0),
        (r"\boxed{A}, no: \boxed{\text{C}}", 1.0),
        ("Thus\n**Answer: (C)**", 1.0),
        (r"\boxed{a circle}", 1.0),
        (r"\boxed{A}", 0.0),
        ("C", 0.0),
        ("", 0.0),
    ],
)
def test_the_final_answer_is_scored(response: str, score: float) -> None:
    assert ChoiceScorer().score(response, Choice("C", OPTIONS)) == score


def test_solutions_pass() -> None:
    pytest.importorskip("math_verify")
    choice = Choice("D", OPTIONS)
    assert ChoiceScorer().score(ChoiceScorer().solve(choice), choice) == 1
    several = ("$0.5$", r"\frac{2}{3}")
    assert OpenScorer().score(OpenScorer().solve(several), several) == 1
    assert OpenScorer().score(r"\boxed{4/6}", several) == 1
    assert OpenScorer().score(r"\boxed{0.6}", several) == 0


def test_hostile_answers() -> None:
    pytest.importorskip("math_verify")
    choice = Choice("C", OPTIONS)
    assert_total(lambda response: ChoiceScorer().score(response, choice), hostile_maths, "C")
    assert_total(lambda response: OpenScorer().score(response, ("3", "4")), hostile_maths, "3")


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (["a", 2], ("a", "2")),
        ('["a", "b"]', ("a", "b")),
        ("['a', \"it's\", 'it\\'s']", ("a", "it's", "it's")),
        (r"['$\\frac{1}{2}$', '\\pi']", (r"$\frac{1}{2}$", r"\pi")),
        ("[1, 2]", ()),
        ("[]", ()),
        ("24", ()),
        (None, ()),
        ("[" * 100_000 + "]", ()),
    ],
)
def test_lists(value: object, items: tuple[str, ...]) -> None:
    assert read_list(value) == items


def test_options_are_lettered_unless_they_are_letters() -> None:
    assert lettered(("one", "two")) == "A. one\nB. two"
    assert lettered(("A", "B", "C")) == ""


@pytest.mark.parametrize("answer", ["E", "", "nothing of these", 3])
def test_an_answer_that_is_no_option_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match="is none of the 4 options"):
        read_choice(answer, OPTIONS)
    assert read_choice(" b ", OPTIONS) == Choice("B", OPTIONS)
