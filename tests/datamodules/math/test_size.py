"""What sympy may be given: answers as people write them, and none that grow without end."""

from __future__ import annotations

import pytest

from datamodules.math.size import is_simplifiable

TAME = (
    "5", "-7", "0.25", r"\frac{-1+\sqrt{5}}{2}", "3^{2025}", "2^{2^{10}}", "2024!", r"\binom{1000}{500}",
    "2^{100}\\cdot 3^{50}",
    r"e^{-\frac{\pi}{3}}", "e^{x^2}", "(x+1)^{10}", "x^4+2x^3y-3xy^2+1", r"\{1, 2, 3\}", r"(1,2)\cup(3,4]", "[0, 1)",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"5\text{ cm}", r"\frac{1}{1+\frac{1}{1+\frac{1}{2}}}", "",
    "x^{7/4}y^{3/4}", r"x^{\frac{77}{10}}+1",
    r"\frac{2024!}{2^{1012}}", r"\sqrt{2^{2025}+1}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^{10}",
)  # fmt: skip
MONSTROUS = (
    "9^{9^{9}}", "9^9^9", "9**9**9", "9^{9}^{9}^{9}", "((2^{999})^{999})^{999}", "(9!)!", "9!!!", r"9\!!!!",
    r"\binom{10^9}{500000000}",
    "10^{1000000}", "999999999!", "(x+y+z+w)^{40}", "(a+b+c+d+e+f+g)^{9}", r"9^{e^{99}}", r"\sum_{i=1}^{10^9} i",
    r"\int x", r"\prod_{n} n", r"\lim_{x\to 0} x", r"9^{\lfloor e^{99}\rfloor}", "(" * 11 + "1" + ")" * 11, "1)",
    "(1", "}{",
    "{" * 5000, r"\frac{" * 500, "9^" * 100, "9" * 301,
    r"\begin{pmatrix}x&y\\3&4\end{pmatrix}^{60}", r"\left[\begin{array}{cc}1&2\\3&4\end{array}\right]^{9999}",
    r"\sqrt{2^{22025}+1}", "(2^{8025}+1)^{1/2}", "(2^{8025}+1)^{0.5}", r"(2^{4025}+1)^\frac{1}{2}",
    "(2^{4025}+1)^{2^{-1}}", "x^{999999999/2}", r"x^{\frac{1}{999999999}}", "9^{99999/2}",
)  # fmt: skip


@pytest.mark.parametrize("expression", TAME)
def test_answers_as_people_write_them_are_tame(expression: str) -> None:
    assert is_simplifiable(expression)


@pytest.mark.parametrize("expression", MONSTROUS, ids=lambda text: text[:20])
def test_monsters_are_not(expression: str) -> None:
    assert not is_simplifiable(expression)
