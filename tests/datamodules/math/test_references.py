"""References as published sets write them, and what is none."""

from __future__ import annotations

from time import thread_time
from typing import Any

import pytest

from datamodules.math import MathScorer
from datamodules.math.references import check_reference, reference

pytest.importorskip("math_verify")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Five boxes of 8 are 5 * 8 = <<5*8=40>>40 eggs.\n#### 40", "40"),
        ("All in all 1,250 metres. #### 1,250\n", "1,250"),
        ("#### -3", "-3"),
        ("Step by step.\n#### First\nWe have $x^2 = 9$ and so \\boxed{3}.", "3"),
        ("The slope is $2$, so $y = \\boxed{\\dfrac{1}{2}}$ there. Check: $1/2$.", "\\dfrac{1}{2}"),
        ("At first \\boxed{4} seems right. But it is \\boxed{5}.", "5"),
        ("$$\n\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}\n$$", "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}"),
        (["$2^{10}$"], "2^{10}"),
        ([7.0], "7"),
        (r"['$\\frac{1}{3}$']", r"\frac{1}{3}"),
        ('["7"]', "7"),
        (2e-9, "0.000000002"),
        (True, "True"),
    ],
)
def test_sets_are_read_as_they_are_published(answer: Any, text: str) -> None:
    check_reference(answer)
    assert reference(answer) == text


@pytest.mark.parametrize(
    "answer",
    [
        "[0, 1)", "]0, 1[", "(-\\infty, 3]", "[1, 2]", "\\{1, 2\\}", "{}", "\\left\\{1, 2\\right.", "A)", "5.", "No. 7",
        "all real numbers", "\\text{a necessary but not a sufficient condition}", "x = 1\ny = 2", "4:30 p.m.",
        "\\frac{a b^{7}}{c^{5}}", "9^{9^{9^{9}}}", "$\\textbf{w}(1) = 5$\n\n$\\textbf{w}(2) = 6$", "必要不充分条件",
        "Mrs. Hill's third class",
        "\\begin{array}{l} 1 \\\\\n \\text { so it is over. Then one } \\end{array}", "x" * 300,
    ],
)  # fmt: skip
def test_what_a_response_may_say_is_a_reference(answer: str) -> None:
    check_reference(answer)
    scorer = MathScorer()
    assert scorer.score(f"And so: {scorer.solve(answer)}", answer) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"ground_truth": "34"}, r"\{'ground_truth': '34'\} is an object: name the key .* as in column\.key"),
        ('{"ground_truth": "34", "style": "rule"}', "is an object"),
        ("{'ground_truth': '34'}", "is an object"),
        (["1", "2"], r"\['1', '2'\] is neither text nor a number; several answers are one text, such as '2, 3'"),
        ([1, 2], "is neither text nor a number"),
        ("['1', '2']", "is neither text nor a number"),
        ([], "is neither text nor a number"),
        ([["1"], ["2"]], "is neither text nor a number"),
        ([{"value": 3}], "is an object"),
        (b"34", "is neither text nor a number"),
        (float("nan"), "nan says nothing"),
        ([None], "None says nothing"),
        ("nan", "'nan' says nothing"),
        ("<NA>", "says nothing"),
        (float("-inf"), r"-inf says nothing; infinity is \\infty"),
        ("", "says nothing"),
        (" $ $ ", "says nothing"),
        ("\\boxed{}", "says nothing"),
        ("Half of 6 is 3.\n#### ", "says nothing"),
        ("\\frac{1}{2", "its braces don't match"),
        ("\\frac{1}{2}}", "its braces don't match"),
        ("2}{3", "its braces don't match"),
        ("\\boxed{5", "its braces don't match"),
        ("x^{2} + " * 50 + "1", "has 401 characters, more than the 300 that are compared"),
        (1.5e308, "has 309 characters"),
        ("She sold half of them.\nThat makes 24 + 48 = 72.", "is several sentences, without #### or a box"),
        ("No. It has no inverse for any t.", "is several sentences"),
    ],
)
def test_what_no_response_could_equal_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_reference(answer)
    assert MathScorer().score("\\boxed{34}", answer) != 1  # and the scorer is total


@pytest.mark.parametrize(
    "answer",
    [
        "$" * 10**6,
        "\\boxed{" * 10**5 + "}" * 10**5,
        "{'" * 10**5,
        "[' " * 10**5,
        "####" * 10**5,
        "\\begin{" * 10**5,
        "{" * 10**6,
    ],
    ids=lambda answer: answer[:7],
)
def test_hostile_references_take_no_time(answer: str) -> None:
    begin = thread_time()
    with pytest.raises(ValueError):
        check_reference(answer)
    assert thread_time() - begin < 2
