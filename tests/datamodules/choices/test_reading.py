"""Which option an answer takes, and how options are read."""

from __future__ import annotations

import pytest

from benchmarks.hostile_maths import hostile_maths
from datamodules.choices import (
    Choice,
    ChoiceScorer,
    OpenScorer,
    chosen,
    option_lines,
    read_choice,
    read_list,
    read_options,
)
from tests.datamodules.hostility import assert_extracts, assert_total

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


MIXED = (r"$\frac{3}{4}$", r"$-2$", r"$9 \mathrm{~kg}$", "Red squares.", "It depends on A and C.")


@pytest.mark.parametrize(
    ("letter", "answers"),
    [
        ("A", [r"$\frac{3}{4}$", r"\frac{3}{4}", r"\dfrac{3}{4}", "3/4", "0.75", r"75\%", r"\textbf{(A) } \frac{3}{4}",
               r"\textbf{(A)}\ \tfrac34", r"\frac{3}{4} \textbf{(A)}", r"\mathrm{(A)}", r"\text{A}", r"(\mathrm{A})",
               r"{\bf (A)}", "{A}", r"\{A\}", "[A]", "**A**", "**A.** 3/4", "`A`", r"\boxed{\text{A}}"]),
        ("B", ["-2", "$-2$.", "B) -2", "B: -2", "-2 (B)", "\u22122", r"\text{(B) } -2", "Option B", "option (B)", "b",
               "The correct answer is (B)", "Answer: B", ": B", "choice B."]),
        ("C", ["9", r"C) 9", r"9 \mathrm{~kg}", "9 kg", r"9\,\text{kg}", r"\textbf{C: } 9 kg", "C - 9 kg",
               "C, 9 kg", "9 kg, C"]),
        ("D", ["Red squares", "red squares.", r"\text{red squares}", "D - red squares", "D \u2014 red squares",
               "D: red squares", "D red squares", "(D) Red squares", "D (as drawn)",
               "*Red squares*", '"Red squares"', "D: the red ones"]),
        ("E", ["E", "It depends on A and C", "E. It depends on A and C", r"\text{It depends on } A \text{ and } C"]),
        (None, ["A and B", "A or C", "A, B", "AB", "A B", "A/C", "A & B", "(A)(C)", "(A), (C)", "A) C)", "A.C.", "A-E",
                "A, B, C", "Options A and B", "both A and B", r"\text{A and C}", "A (or C)", "A: or C", "D. (A)"]),
        (None, ["A) -2", "A: -2", "A - red squares", "A, red squares", "A red squares", "-2 (A)", r"\textbf{(A)} -2",
                "Red squares (A)", "B. 0.75", r"A = 9 \mathrm{~kg}", "A -2", "C: it is 3/4 or -2"]),
        (None, ["2", "B2", "9 m", "3/4 or -2", "-2, 9", "-2; 0.75", "not A", "F", "F) -2", "", "squares", "red"]),
    ],
)  # fmt: skip
def test_letters_and_words_in_the_forms_they_are_written_in(letter: str | None, answers: list[str]) -> None:
    taken = {answer: chosen(answer, MIXED) for answer in answers}
    assert taken == dict.fromkeys(answers, letter)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("A", "A"), ("A. B", "A"), ("B: A", "B"), ("A, B", None), ("C", "C"), ("A: C", None), ("x", "D"), ("(D) x", "D"),
     ("I", "E"), ("d", "D"), ("II", None)],
)  # fmt: skip
def test_options_that_are_letters(answer: str, letter: str | None) -> None:
    assert chosen(answer, ("B", "A", "C", "x", "I")) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [(r"20 \ \mathrm{cm}^2", "A"), ("20 cm^2", "A"), ("20", "A"), (r"0.08 \text{ m}^2", "B"), (r"45^\circ", "C"),
     ("45", "C"), ("7", None), ("2", None), ("20 m^2", None), ("0.8", None)],
)  # fmt: skip
def test_a_number_may_lack_its_unit_and_not_have_another(answer: str, letter: str | None) -> None:
    options = (
        r"$20 \mathrm{~cm}^{2}$",
        r"$\text{.08 m}^2$",
        r"$45^{\circ}$",
        r"$7\text{ less}$",
        r"$7\text{ more}$",
        "$2a$",
    )
    assert chosen(answer, options) == letter


def test_an_option_that_differs_from_another_by_case_or_space_alone() -> None:
    assert [chosen(text, ("kW", "KW", "1 2", "12")) for text in ("kW", "KW", "kw", "12", "1 2")] == [
        "A", "B", None, "D", "C",
    ]  # fmt: skip


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


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (["a", 2], ("a", "2")),
        ([["a", "b"]], ("a", "b")),
        ("[['a', 'b']]", ("a", "b")),
        ("[1, 2]", ("1", "2")),
        ({"B": "y", "A": "x"}, ("x", "y")),
        (["(A) 12", "(B)13"], ("12", "13")),
        (["A)12", "B)  13"], ("12", "13")),
        (["A. a word", "B. another"], ("a word", "another")),
        (["A. a word", "another"], ("A. a word", "another")),
        (["B. a word", "A. another"], ("B. a word", "A. another")),
        *[(nothing, ()) for nothing in (None, "", " ", [], "[]")],
    ],
)
def test_options_of_a_row(value: object, options: tuple[str, ...]) -> None:
    assert read_options(value) == options


@pytest.mark.parametrize("value", [{"A": "x", "C": "y"}, {"one": "x"}, {}, "A. x\nB. y", "['a', 2]", 7])
def test_options_that_are_no_list_are_refused_and_not_taken_for_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"are no list|holds something besides texts"):
        read_options(value)


def test_options_are_lettered_unless_they_are_letters() -> None:
    assert option_lines(("one", "two")) == "A. one\nB. two"
    assert option_lines(("A", "B", "C")) == ""


@pytest.mark.parametrize("answer", ["E", "", "nothing of these", 30])
def test_an_answer_that_is_no_option_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match="is none of the 4 options"):
        read_choice(answer, OPTIONS)
    assert read_choice(" b ", OPTIONS) == Choice("B", OPTIONS)


def test_the_extracted_answer_is_the_letter_or_the_mathematical_answer() -> None:
    choice = Choice("C", OPTIONS)
    responses = ["\\boxed{C}", "a while\nAnswer: (C)", "\\boxed{a circle}", "\\boxed{c}"]
    assert {ChoiceScorer().extract_answer(response, choice) for response in responses} == {"C"}
    assert {ChoiceScorer().extract_answer(response, choice) for response in ("C", "\\boxed{E}", "")} == {None}
    assert OpenScorer().extract_answer("\\boxed{ 3.0 }", ("3", "4")) == "3"
    assert_extracts(lambda response: ChoiceScorer().extract_answer(response, choice), hostile_maths, "C")


def test_an_answer_may_be_the_number_of_an_option() -> None:
    options = ("4", "3", "2", "1")
    assert [read_choice(answer, options, 0).letter for answer in (0, "3", [1])] == ["A", "D", "B"]
    assert read_choice(1, options, 1).letter == "A"
    with pytest.raises(ValueError, match="the answer 4 must be a number from 0 to 3"):
        read_choice(4, options, 0)


def test_an_answer_that_may_be_a_number_or_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="the answer 2 may be the number of an option: set first_option to 0 or 1"):
        read_choice(2, ("4", "3", "2", "1"))
    assert read_choice(12, ("11", "12", "13")).letter == "B"
    assert read_choice("2", ("4", "3", "2", "1")).letter == "C"
