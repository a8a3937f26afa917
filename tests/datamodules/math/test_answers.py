"""The final answer of a response, and when two answers are one."""

from __future__ import annotations

from math import isnan
from time import thread_time

import pytest

from app.types import Unscored
from datamodules.math import MathScorer
from datamodules.math.answers import TAIL, UndecidedError, decided, equivalent, final_answer, last_box, plain
from datamodules.math.size import LONGEST

pytest.importorskip("math_verify")
FONTS = ("text", "textbf", "mathbf", "mathrm", "mbox", "textit", "boldsymbol", "bm", "mathsf")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{5}", "5"), (r"\boxed{1}, no, \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\boxed{7}}", "7"), (r"\boxed {3}", "3"), (r"\fbox{3}", "3"),
        (r"\boxed{12\text{ cm}^2}", r"12\text{ cm}^2"),
        (r"\boxed{\text{Paris}}", r"\text{Paris}"), (r"\boxed{a} } \boxed{b}", "b"),
        (r"\boxed{a} and then \boxed{b", "a"),
        (r"\boxed{4} Answer: 5", "4"), (r"\boxed{5", None), (r"\boxed{}", None), ("", None),
        ("\\boxed{5}" + " " * TAIL, None),
        ("\\boxed{" + "1" * (LONGEST + 1) + "}", "1" * (LONGEST + 1)),
    ],
)  # fmt: skip
def test_the_final_answer_is_the_last_box(response: str, answer: str | None) -> None:
    assert final_answer(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The final answer is: $12$.", "12"), ("Answer: 1\nAnswer: \\(x=7\\)", "x=7"), ("the answer is 7", "7"),
        ("answer 7", "7"),
        ("Thus\n**Answer:** 204.\n\nI hope that helps.", "204"), ("**Answer**: 7", "7"), ("__Answer__ = __7__", "7"),
        ("* **Final Answer:** `7`", "7"), ("### The final answer is **7**.", "7"), ("> Answer: *7*,", "7"),
        ("+ Answer: 7;", "7"),
        ("- ANSWER : **$7$**", "7"), ("The correct answer is ***7***", "7"), ("• Answer: 7", "7"),
        ("Answer:\n7", "7"), ("# Answer\n\n\n**7**\n\nDone.", "7"), ("The answer is:\n\n$$\n7\n$$", "7"),
        ("Answer\n\\[\n x = 7\n\\]\n", "x = 7"),
        ("Answer: 7\nAnswers may vary.", "7"), ("Answer: 7\nAnswering took long.", "7"), ("Answer: 7\nanswered", "7"),
        ("Answer: 7\n\n**Answer**\n", "7"), ("Answer: 7\nAnswer:", "7"), ("Answer: 7\nAnswer can be checked.", "7"),
        ("Answer:\n**Answer: 7**", "7"), ("Answer: 1\nThe answer is:\n2", "2"), ("Answer:\n$$\n7", None),
        ("Answer: -7", "-7"), ("Answer is \\frac{1}{7}", "\\frac{1}{7}"),
        ("My answer differs: 3", None), ("answer", None), ("Answer: **", None), ("The answer isn't 7", None),
        ("Answers: 7", None),
        ("1. Answer: 7", "7"), ("(2) **Answer:** 7", "7"), ("## 3. Final Answer\n7", "7"), ("1.5 Answer: 7", None),
        ("So the answer is **7**.", "7"), ("Therefore, the final answer is: 7", "7"),
        ("**Hence, the answer is 7.**", "7"),
        ("Thus, **the correct answer**: $7$", "7"), ("Answer: 1\nTherefore, the answer is 7.", "7"),
        ("So the answer is not 7", "not 7"), ("Thus the answer is between 6 and 7", "between 6 and 7"),
        ("So the answer can be 7", None), ("Hence, answers may vary: 7", None), ("Therefore the answer isn't 7", None),
        ("Final Answer: The final answer is 7. I hope it is correct.", "7"),
        ("**Final Answer:** The final answer is $7$. I hope it is correct.\n", "7"),
        ("Final Answer:\nThe final answer is $\\frac17$. I hope it is correct.", "\\frac17"),
        ("The final answer is 7 apples. I hope this is correct", "7 apples"),
        ("The final answer is [0, 7). I hope it's correct.", "[0, 7)"), ("Answer: the answer is 7", "7"),
        ("The answer is: 7", "7"), ("Final Answer: I hope it is correct.", None),
        ("The answer is 7. I hope it is correct. Or 8.", "7. I hope it is correct. Or 8"),
        ("Answer: so the answer can be 7", "so the answer can be 7"),
        ("Half of 14.\n#### 7", "7"), ("#### 1,234\n", "1,234"), ("####-7.5", "-7.5"), ("#### $7", "$7"),
        ("Answer: 1\n#### 7", "7"), ("#### 1\nAnswer: 7", "7"), ("Answer: 7\n#### Check", "7"),
        ("#### 7\nThen we add 2.", None), ("##### 7", None), ("\\boxed{7}\n#### 8", "7"),
        ("So-called answer: 7", None), ("So what is the answer? 7", None), ("Therefore the answer to that is 7", None),
    ],
)  # fmt: skip
def test_without_a_box_it_is_what_the_last_line_says_that_begins_with_answer(response: str, answer: str | None) -> None:
    assert final_answer(response) == answer


@pytest.mark.parametrize("line", [" ", "the ", "1. ", "so, ", "so the **", "the final ", "Answer ", "Answer is **"])
def test_lines_are_read_in_linear_time(line: str) -> None:
    began = thread_time()
    final_answer(line + " " * TAIL)
    final_answer((line + " " * TAIL)[: TAIL - 2])
    final_answer(line * TAIL)
    assert thread_time() - began < 1


def test_boxes_are_found_in_linear_time_however_they_are_nested() -> None:
    deep = r"\boxed{" * 100_000
    assert last_box(deep) is None
    assert last_box(deep + "1" + "}" * 100_000) == deep[len(r"\boxed{") :] + "1" + "}" * 99_999


@pytest.mark.parametrize(
    "answer",
    [
        "$5$",
        r"\(5\)",
        r"\[ 5 \]",
        "$$5$$",
        "**5**",
        " 5. ",
        r"\boxed{5}",
        r"$\boxed{5}$.",
        "`5`",
        "5,",
        r"5\\",
        "__5__;",
    ],
)
def test_what_stands_around_an_answer_is_taken_off(answer: str) -> None:
    assert plain(answer) == "5"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<answer>42</answer>", "42"), ("<think>\\boxed{1}</think><answer> 42 </answer>", "42"),
        ("<answer>41</answer> no: <answer>42</answer>", "42"), ("<answer>42</answer>, not \\boxed{7}", "42"),
        ("<answer>so \\boxed{42}</answer>", "42"), ("<ANSWER>The answer is 42.</ANSWER>", "42"),
        ("<answer>42 or 43</answer>", "42 or 43"), ("<answer>\n42\n</answer>", "42"),
        ("<answer></answer>\\boxed{42}", None), ("<answer>42", None), ("</answer>42<answer>", None),
        ("\\boxed{42} <answer>7", "42"), ("<answer><answer>42</answer>", "42"),
    ],
)  # fmt: skip
def test_the_last_pair_of_answer_tags_holds_the_answer(response: str, answer: str | None) -> None:
    assert final_answer(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("所以答案是 42。", "42"), ("答案：42", "42"), ("最终答案：$42$", "42"), ("**答案**：42", "42"),
        ("因此，答案为42。", "42"),
        ("答案应该是42", "42"), ("### 答案\n$$42$$", "42"), ("答案不是42", None), ("这个答案42不对", None),
        ("So, my final answer is 42.", "42"), ("My answer: 42", "42"),
    ],
)  # fmt: skip
def test_lines_that_tell_the_answer_in_other_words(response: str, answer: str | None) -> None:
    assert final_answer(response) == answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("204", "204"), ("1,000", "1000"), ("18.0", "18"), ("-0", "0"), ("1{,}000", "1000"), ("007", "7"),
        (r"\frac12", r"\frac{1}{2}"), ("0.5", r"\frac{1}{2}"), ("1/2", r"\dfrac{1}{2}"), (r"50\%", "0.5"),
        (r"\sqrt{18}", r"3\sqrt{2}"), ("1+x^2", "x^2+1"), ("(x+1)^2", "x^2+2x+1"), (r"\{2,1\}", r"\{1, 2\}"),
        ("x=5", "5"), ("10^3", "1000"), (r"\frac{\pi}{6}", r"\pi/6"), ("x-x+5", "5"), (r"\frac{x^2-1}{x-1}", "x+1"),
        ("2^{2024}-1", "-1+2^{2024}"), ("9^{9^{9^{9}}}", "9^{9^{9^{9}}}"), ("0.333333333", r"\frac{1}{3}"),
        ("0.333333", "1/3"),
        (r"\frac{1}{1-\frac{1}{2}}", "2"), (r"\cos(\frac{\pi}{3})", "0.5"), ("[0,1)", "[0, 1)"),
        (r"\sqrt{2}\sqrt{3}-\sqrt{6}", "0"),
        (r"\infty", r"\infty"), (r"\mathbb R", r"\mathbb{R}"), ("−３．５", "-3.5"), ("５０％", "50%"),
        ("１：２", "1:2"), ("2√3", r"2\sqrt{3}"), ("√(12)", r"\sqrt{12}"), ("√2/2", r"\frac{\sqrt2}{2}"), ("∛8", "2"),
        ("√(5+2√(6))", r"\sqrt{5+2\sqrt6}"), ("sqrt(5+2*sqrt(6))", r"\sqrt{5+2\sqrt6}"), ("√π", r"\sqrt{\pi}"),
        ("(1 + √5)/2", r"\frac{1+\sqrt{5}}{2}"), ("[0, √2)", r"[0,\sqrt{2})"), ("10⁻³", "0.001"), ("5×10⁶", "5000000"),
        ("x⁴+x²", "x^4+x^2"), ("x₁₂", "x_{12}"), ("¾", "0.75"), ("1⅓", r"\frac{4}{3}"),
        ("1.2×10^-5", r"1.2\times10^{-5}"),
        ("3pi/2", r"\frac{3\pi}{2}"), (r"+\infty", r"\infty"), (r"-\infty", "-∞"), ("+5", "5"), ("−5", "-5"),
        ("+0.5", r"\frac12"),
        (r"(-\infty, 3)", r"(-\infty,3)"), (r"(2, +\infty)", r"(2,\infty)"),
        (r"\sqrt{5+2\sqrt{6}}", r"\sqrt{2}+\sqrt{3}"),
        ("1 000 000", "1000000"), (r"32,\! 349", "32349"), (r"1,\!032,\! 349 \text{ cm}", "1032349"),
        ("0,125", "0.125"),
        (r"1\,000", "1,000"), ("1.6e-19", r"1.6\times 10^{-19}"),
        ("4.5e33", r"4.5 \cdot 10^{33}"),
        ("1e-7", "10^{-7}"), (r"x \neq \frac{10}{14}", r"x \neq \frac{5}{7}"), ("1 1/2", r"\frac{3}{2}"),
        (r"\sum_{k=1}^{n} k", r"\sum_{k=1}^n k"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\left[\begin{array}{c}1\\ 2\end{array}\right]"),
        (r"4/3\pi", r"\frac{4}{3}\pi"), ("4/3 π", r"\frac{4\pi}{3}"), (r"1/2\sqrt{3}", r"\frac{\sqrt3}{2}"),
        ("1/4 - 3/7 i", r"\frac{1}{4} - \frac{3}{7}i"), (r"1/2\pi", r"\frac{1}{2\pi}"), ("1/2x", r"\frac{1}{2x}"),
        (r"t + 1/2 \sin{2t}", r"t + \frac{1}{2} \sin{2t}"),
        ("x^{15/4} y^{17/4}", r"x^{\frac{15}{4}} y^{\frac{17}{4}}"), ("x^{7/4}y^{3/4}", r"y^{\frac{3}{4}} x^{7/4}"),
        ("9" * 400, "9" * 400 + ".0"),
    ],
)  # fmt: skip
def test_forms_of_one_answer(one: str, other: str) -> None:
    assert equivalent(one, other)
    assert equivalent(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *((f"\\{font}{{31}}", "31") for font in FONTS),
        (r"\textbf{\text{31}}", "31"), (r"\mathbf{-31}", "-31"), (r"\text{(31)}", "31"), (r"{\bf 31}", "31"),
        (r"\text{\bf 31}", "31"), (r"\bf 31", "31"), (r"\textbf{\it 31}", "31"), (r"\mathrm{\bf x+1}", "x+1"),
        (r"31\,\rm cm", "31 cm"),
        (r"\text{31.}", "31"),
        (r"\textcolor{red}{31}", "31"), (r"\mathbf{3}1", "31"), (r"x = \mathbf{31}", "31"),
        (r"\boldsymbol{\frac{1}{2}}", "0.5"),
        (r"\frac{\mathbf{1}}{\textbf{2}}", "0.5"), (r"2^\mathbf{10}", "1024"), (r"\text{31 apples}", "31"),
        (r"\text{ 1,031 }", "1031"),
        (r"\text{Rome}", "Rome"), (r"\textbf{rome}", r"\text{Rome}"), (r"\mathrm{ROME}", "rome"),
        ("No Solution", r"\text{no solution}"),
        (r"\text{(D)}", "D"), ("(D)", r"\textbf{D}"), (r"\text{Ann}, \text{Bo}", r"\text{Bo}, \text{Ann}"),
        (r"\text{True}", "true"),
        (r"\{\text{Ann}, \text{Bo}\}", r"\{\text{Bo}, \text{Ann}\}"), (r"3\text{ or }4", "3, 4"),
        (r"1-\frac{1}{\mathrm{e}}", "1-1/e"),
    ],
)  # fmt: skip
def test_a_font_means_nothing(one: str, other: str) -> None:
    assert equivalent(one, other)
    assert equivalent(other, one)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("1.67\\times 10^{-27}", "9.11\\times 10^{-31}"), ("2e-9", "1e-9"), ("0.0000002", "0.0000001"), ("1e-9", "0"),
        ("0.000123", "0.0001235"),
        (r"\frac{1}{2006!}", r"\frac{1}{2004!}"), (r"\frac{1}{2^{98}}", r"\frac{1}{2^{99}}"),
        (r"\frac{1}{10^9}", r"\frac{1}{10^9+1}"),
        (r"x = 2\times 10^{-9}", r"x = 10^{-9}"), (r"(2\times 10^{-9}, 1)", r"(10^{-9}, 1)"),
        (r"\{3, 2\times 10^{-9}\}", r"\{10^{-9}, 3\}"),
        (r"\begin{pmatrix}2\times 10^{-9}\\1\end{pmatrix}", r"\begin{pmatrix}10^{-9}\\1\end{pmatrix}"),
        (r"2\times 10^{-9}x", r"10^{-9}x"),
        (r"2\times 10^{-9}\%", r"10^{-9}\%"), (r"e^{-30}", r"e^{-31}"), ("0.3333", r"\frac{1}{3}"),
        ("1000001", "1000000"),
        ("1010_2", "1010"), ("12_8", "12"), ("12", "12_8"), (r"\boldsymbol{\mathrm{12}}_8", "12"),
        (r"\text{12} _8", "12"), ("12_8", "12_9"), ("204_{5}", "204_{6}"),
        ("(12)_8", "12"), (r"x = 12_{\text{eight}}", "12"),
    ],
)  # fmt: skip
def test_numbers_that_math_verify_takes_for_one(given: str, wanted: str) -> None:
    assert not equivalent(given, wanted)
    assert not equivalent(wanted, given)


@pytest.mark.parametrize(
    ("one", "other"), [("204_5", "204_{5}"), ("12_{10}", "12"), (r"12_{\text{eight}}", "12_8"), ("(12)_8", "12_8")]
)
def test_numerals_to_a_base(one: str, other: str) -> None:
    assert equivalent(one, other)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (r"3.5\%", "3.5"), (r"-3.5 \%", "-3.5"), (r"-3.5\%", "-0.035"), ("12.5 %", r"\frac{1}{8}"),
        ("12.5", r"12.5\%"), (r"\text{12.5}\%", "12.5%"),
        ("28 percent", r"28\%"), (r"28\text{ percent}", "0.28"), ("0.5", r"0.5\%"), (r"+5\%", "5%"),
        (r"\frac{1}{2}\%", "0.005"),
        (r"\approx 3.14", "3.14"), ("3.14", r"\approx 3.14"), (r"x \approx 3", "3"), ("≈ 3", "3"), ("= 5", "5"),
        (r"\$5", "5"), ("5", r"\$5"),
        (r"\$1,234.50", "1234.5"), ("5 dollars", r"\$5"),
    ],
)  # fmt: skip
def test_signs_around_a_number(given: str, wanted: str) -> None:
    assert equivalent(given, wanted)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("5, 6", "5"), (r"5 \text{ or } 6", "5"), (r"\{5, 6\}", "5"), (r"\pm 5", "5"), ("5=6", "5"), (r"5 \neq 6", "5"),
        ("x", "5"), ("4<5", "5"), ("5!", "5"), ("50", "5"), ("-5", "5"), ("(1,2)", "(2,1)"), ("x^2", "x^3"),
        ("(5", "5"),
        (r"6}\boxed{5", "5"), ("}", "5"), ("", "5"), (r"\frac{", "5"), ("5 6", "6"), ("1 204", "204"),
        (r"1\quad 5", "5"), ("5, 006", "5006"),
        (r"\log_{10}'e", "2^{2024}-1"), (r"\log_{10} 3", "2^{2024}-1"), ("1/0", "5"), (r"\log 0", "5"),
        (r"\infty", "5"),
        (r"\infty", r"-\infty"), ("(-1)!", "5"), (r"5 \text{ (or 7)}", "5"), (r"5 \text{ or 7}", "5"), ("5 or 7", "5"),
        (r"\log_{10}i", "2^{2024}-1"), ("9" * 299, "5"), ("9" * 9999, "5"), (r"\undefined{5}", "5"), ("\x00", "5"),
        (r"\frac{5}{0}", "5"),
        ("5" + "\u0660", "50"), ("0,125", "125"), ("not 5", "5"), ("between 4 and 5", "5"),
        (r"\text{not }5", "5"), (r"\text{not 5}", "5"), ("5 is wrong", "5"),
        (r"1\text{2}", "1"),
        (r"\text{even}", r"\text{odd}"), ("even", "odd"), ("Yes", r"\text{No}"), (r"\text{Yes or no}", "Yes"),
        (r"\text{A}", "B"),
        (r"\text{no solution}", "0"), (r"\text{one solution}", r"\text{no solution}"), (r"\text{on}", "no"),
        ("2x", "2"), ("2ab", "2"),
        (r"0.5\%", "0.5"), (r"12\%", "13"), (r"-5\%", "5"), (r"\approx 3.2", "3.14"), (r"x = 5, y = 6", "5"),
        ("x=5", "y=5"),
        ("[0,1]", "(0,1)"), (r"\{1,2,3\}", r"\{1,2\}"), ("5m", "5n"), ("2t", "2s"), (r"x+\text{m}", "x"),
        (r"7 \cup \frac{1}{2} \cup 204", r"\frac{1}{2}"),
        (r"7 \frac{1}{2} (0, 1]", r"\frac{1}{2}"), ("; \n\\frac{1}{2}", r"\frac{1}{2}"), (r"\sqrt{\infty!!}", "5"),
        (r"\sqrt{\infty!!}", r"\{1, 2\}"), ("204 True", "204"), (r"x \neq 6", r"x \neq 5"), ("5", r"x \neq 5"),
        (r"\frac{def}{de+df}", r"\frac{def}{de+df+ef}"), ("word " * 400, "5"),
        (r"\text{" + "it is so since " * 40 + "5}", "5"),
    ],
)  # fmt: skip
def test_what_is_not_the_answer(given: str, wanted: str) -> None:
    assert not equivalent(given, wanted)


@pytest.mark.parametrize(
    "given", ["9^{9^{9^{9}}}", r"\sum_{i=1}^{5} 1", "1+" * 300 + "1", "(" * 11 + "5" + ")" * 11, r"\lfloor 5.5 \rfloor"]
)
def test_what_may_not_be_asked_is_unscored_not_wrong(given: str) -> None:
    with pytest.raises(UndecidedError, match="too large or too deep for math-verify"):
        equivalent(given, "5")
    score = decided(lambda: equivalent(given, "5"))
    assert isinstance(score, Unscored)
    assert isnan(score)
    assert given[:5] in score.cause
    assert equivalent(given, given.replace("5", " 5"))


@pytest.mark.parametrize(
    ("given", "wanted", "passes"),
    [
        ("2+2=4", "2+2=4", True), ("3+1=4", "2+2=4", True), ("4", "2+2=4", True), ("x=4", "2+2=4", True),
        ("2+2=5", "2+2=4", False), ("3+2=4", "2+2=4", False), ("5", "2+2=4", False),
        (r"\log_{2}(8)=4", r"\log_{2}(8)=3", False), ("3", r"\log_{2}(8)=3", True), ("4", r"\log_{2}(8)=3", False),
        ("3<4", "1<2", False), ("1>2", "1<2", False), ("1<2", "1<2", True),
        (r"\begin{pmatrix}4\\4\end{pmatrix}=2\begin{pmatrix}2\\3\end{pmatrix}",
         r"\begin{pmatrix}4\\4\end{pmatrix}=2\begin{pmatrix}2\\2\end{pmatrix}", False),
        ("2x+2y=10", "x+y=5", True), ("x+y=6", "x+y=5", False),
        (r"\{x|-2\le x<1\}", r"\{x \mid -2\leq x < 1\}", True), (r"x\geqslant 2", r"x \ge 2", True),
        (r"\{x|-2\le x<2\}", r"\{x \mid -2\leq x < 1\}", False), ("5\u200b", "5", True), ("5", "\ufeff5", True),
        ("cafe\u0301", "caf\u00e9", True),
    ],
)  # fmt: skip
def test_statements_and_signs_of_one_meaning(given: str, wanted: str, passes: bool) -> None:
    """math-verify finds any two false or true equations of numbers equal, and \\le unlike \\leq inside braces."""
    assert MathScorer().score(f"So \\boxed{{{given}}}", wanted) == passes


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Answer: .48", ".48"), ("**Answer:** .48.", ".48"), ("The final answer is\n.48", ".48"),
        ("Answer:\n.5", ".5"), ("Answer: -.5", "-.5"), ("Answer: ,5", "5"),
    ],
)  # fmt: skip
def test_the_point_of_a_decimal_stays(response: str, answer: str) -> None:
    assert final_answer(response) == answer
