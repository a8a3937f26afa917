"""The final answer of a response, and when two answers are one."""

from __future__ import annotations

import pytest

from datamodules.maths.answers import TAIL, equivalent, final_answer, last_box, plain
from datamodules.maths.size import LONGEST

pytest.importorskip("math_verify")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{5}", "5"),
        (r"\boxed{1}, no, \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\boxed {3}", "3"),
        (r"\fbox{3}", "3"),
        (r"\boxed{12\text{ cm}^2}", "12"),
        (r"\boxed{5\,\mathrm{m/s}}", r"5\,"),
        (r"\boxed{\text{Paris}}", r"\text{Paris}"),
        (r"\boxed{a} } \boxed{b}", "b"),
        (r"\boxed{a} and then \boxed{b", "a"),
        (r"\boxed{4} Answer: 5", "4"),
        ("The final answer is: $12$.", "12"),
        ("Thus\n**Answer:** 204.\n\nI hope that helps.", "204"),
        ("Answer: 1\nAnswer: \\(x=5\\)", "x=5"),
        ("the answer is 5", "5"),
        (r"\boxed{5", None),
        (r"\boxed{}", None),
        ("My answer differs: 3", None),
        ("answer", None),
        ("", None),
        ("\\boxed{" + "1" * (LONGEST + 1) + "}", None),
        ("\\boxed{5}" + " " * TAIL, None),
    ],
)
def test_the_final_answer_is_the_last_box_or_line(response: str, answer: str | None) -> None:
    assert final_answer(response) == answer


def test_boxes_are_found_in_linear_time_however_they_are_nested() -> None:
    deep = r"\boxed{" * 100_000
    assert last_box(deep) is None
    assert last_box(deep + "1" + "}" * 100_000) == deep[len(r"\boxed{") :] + "1" + "}" * 99_999


@pytest.mark.parametrize(
    "answer", ["$5$", r"\(5\)", r"\[ 5 \]", "$$5$$", "**5**", " 5. ", r"\boxed{5}", r"$\boxed{5}$."]
)
def test_what_stands_around_an_answer_is_taken_off(answer: str) -> None:
    assert plain(answer) == "5"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("204", "204"), ("1,000", "1000"), ("18.0", "18"), ("-0", "0"), ("1{,}000", "1000"), ("007", "7"),
        (r"\frac12", r"\frac{1}{2}"), ("0.5", r"\frac{1}{2}"), ("1/2", r"\dfrac{1}{2}"), (r"50\%", "0.5"),
        (r"\sqrt{18}", r"3\sqrt{2}"), ("1+x^2", "x^2+1"), ("(x+1)^2", "x^2+2x+1"), (r"\{2,1\}", r"\{1, 2\}"),
        ("x=5", "5"), ("10^3", "1000"), (r"\text{Paris}", r"\text{Paris}"), (r"\frac{\pi}{6}", r"\pi/6"),
        ("2^{2024}-1", "-1+2^{2024}"), ("9^{9^{9^{9}}}", "9^{9^{9^{9}}}"), ("0.333333333", r"\frac{1}{3}"),
        (r"\frac{1}{1-\frac{1}{2}}", "2"), (r"\cos(\frac{\pi}{3})", "0.5"), (r"\infty", r"\infty"), ("[0,1)", "[0, 1)"),
    ],
)  # fmt: skip
def test_forms_of_one_answer(one: str, other: str) -> None:
    assert equivalent(one, other)
    assert equivalent(other, one)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("5, 6", "5"), (r"5 \text{ or } 6", "5"), (r"\{5, 6\}", "5"), (r"\pm 5", "5"), ("5=6", "5"), (r"5 \neq 6", "5"),
        ("x", "5"), ("4<5", "5"), ("5!", "5"), ("50", "5"), ("-5", "5"), ("(1,2)", "(2,1)"), ("x^2", "x^3"),
        ("9^{9^{9^{9}}}", "5"), (r"\sum_{i=1}^{5} 1", "5"), (r"6}\boxed{5", "5"), ("}", "5"), ("", "5"), (r"\frac{",
        "5"),
        (r"\log_{10}'e", "2^{2024}-1"), (r"\log_{10} 3", "2^{2024}-1"), ("1/0", "5"),
        (r"\log 0", "5"), (r"\infty", "5"),
        (r"\frac{1}{2} \cup \text{Paris} \cup \{1, 2\}", r"\frac{1}{2}"), ("0.3333", r"\frac{1}{3}"),
        (r"\log_{10}i", "2^{2024}-1"), ("(-1)!", "5"), (r"5 \text{ (or 7)}", "5"), (r"5 \text{ or 7}", "5"),
        ("9" * 299, "5"), (r"\undefined{5}", "5"), ("\x00", "5"), (r"\frac{5}{0}", "5"), ("5" + "\u0660", "50"),
    ],
)  # fmt: skip
def test_what_is_not_the_answer(given: str, wanted: str) -> None:
    assert not equivalent(given, wanted)
