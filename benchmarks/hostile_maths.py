"""Hostile answers to mathematics questions: expensive expressions, invalid LaTeX, several answers, and `hostile`."""

from __future__ import annotations

import string
from collections.abc import Sequence
from random import Random

from benchmarks.hostile import hostile
from datamodules.math.size import LONGEST

REFERENCES = (
    "204",
    r"\frac{1}{2}",
    r"3\sqrt{2}",
    r"\{1, 2\}",
    "x^2+1",
    r"(0, \frac{\pi}{2}]",
    "2^{2024}-1",
    r"\text{Paris}",
    r"12 \mathrm{~cm}",
    r"2.5\%",
    r"1.6\times 10^{-19}",
    "1010_2",
)
"""Answers of every kind that occurs in references."""

PIECES = (
    "9", "10^9", "999999999", "x", "y", "n", "e", r"\pi", r"\infty", "i", "0", "1", "-1", "0.3", "1e309", r"\%", "!",
    "!!",
    "^", "_", "=", "<", r"\le", ",", ";", r"\cup", r"\cdot", "/", "+", "-", r"\pm", r"\to", "|", "&", r"\\", "'",
    r"\text{or}",
    r"\text{", r"\mathrm{d}x", r"\left(", r"\right)", r"\sin", r"\log_{10}", r"\ln", r"\arctan", r"\sqrt", r"\circ",
)  # fmt: skip
WRAPS = (
    "({})", "{{{}}}", "[{}]", r"\frac{{{}}}{{{}}}", r"\sqrt{{{}}}", r"\sqrt[{}]{{{}}}", "{}^{{{}}}", "({})^{{{}}}",
    "({})!", r"\binom{{{}}}{{{}}}",
    r"\sum_{{k=1}}^{{{}}} {}", r"\int_0^{{{}}} {} dx", r"\lfloor {} \rfloor", r"\sin({})", r"\log_{{{}}}({})", "|{}|",
    r"\{{{}, {}\}}",
    r"\begin{{pmatrix}}{}&1\\0&{}\end{{pmatrix}}", r"\lim_{{x\to {}}} {}", "{}+{}", "{}{}", r"\text{{{}}}",
    r"\boxed{{{}}}",
)  # fmt: skip
TOWERS = (
    "9^{9^{9^{9}}}", "9^9^9^9", "(9!)!", "9!!!!", "10^{10^{10}}", "((2^{999})^{999})^{999}", "(x+y+z+w)^{40}",
    "(a+b)^{9999}",
    r"\binom{10^{9}}{10^{8}}", r"\sum_{k=1}^{10^{9}} k", r"\prod_{k=1}^{10^{9}} k", r"e^{10^9\ln 10}",
    r"9^{\lfloor e^{99}\rfloor}",
    r"\frac{1}{\sqrt{2}+\sqrt{3}+\sqrt{5}+\sqrt{7}+\sqrt{11}+\sqrt{13}}", r"\sin(3^{2025})",
    r"\cos(\frac{\pi}{9973})", "2024!",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^{999}", "x^{x^{x^{x}}}", r"\sqrt{" * 9 + "2" + "}" * 9, "(x+y+z+w)^{40+t-t}",
    r"\frac{x^{99}-1}{x-1}", r"\sqrt{2}^{\sqrt{2}^{\sqrt{2}}}", r"\sqrt[97]{2}+\sqrt[89]{3}", r"\log_{2}(3^{2025}!)",
    "(x+1)^{99}(x-1)^{99}",
)  # fmt: skip

SETTINGS = (
    r"\text{%s}", r"\mathbf{%s}", r"\textbf{(%s)}", r"\boldsymbol{\mathrm{%s}}", r"\text{%s", r"{\bf %s}",
    r"%s\text{ cm}",
    r"%s \mathrm{~km} / \mathrm{h}^{2}", r"%s^\circ", "%s cm", "%s m", "%s apples", r"%s\%%", "%s percent", r"\$%s",
    r"\approx %s", "x = %s", "+%s", "-%s", "%s_8", "%s e5", r"%s \times 10^{-9}", r"%s \text{ million}", "not %s",
    "%s or so", r"\text{%s or 7}", "%s %s", r"1\,%s", "%s.", r"%s\ldots", r"\text{~}%s^{\text{th}}",
    r"\textcolor{red}{%s}",
)  # fmt: skip
"""Formats around an answer, some of which change its value."""
LINES = (
    "**Answer**: %s", "Answer:\n%s", "Answer:\n$$\n%s", "## Final Answer\n\n**%s**", "The answer is **%s**.",
    "Answer: %s\nAnswer:",
    "Answers can be %s", "- Answer: `%s`,", "the answer isn't %s", "Answer\n" * 50 + "%s", "*" * 300 + "Answer: %s",
)  # fmt: skip


def expression(random: Random, depth: int) -> str:
    """A random expression of the pieces."""
    if depth == 0:
        return "".join(random.choice(PIECES) for _ in range(random.randint(1, 3)))
    wrap = random.choice(WRAPS)
    return wrap.format(*(expression(random, depth - 1) for _ in range(wrap.count("{}"))))


def mutilated(random: Random, text: str) -> str:
    """The text with a few characters deleted, doubled or replaced."""
    letters = list(text)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(letters) + 1)
        letters[place : place + random.randint(0, 2)] = random.choice(
            ("", "{", "}", "\\", "^", "(", random.choice(string.printable))
        )
    return "".join(letters)


def several_answers(random: Random, right: str, others: Sequence[str]) -> str:
    """The right answer together with others."""
    joiner = random.choice((", ", r" \text{ or } ", r" \cup ", ";", " ", "=", "|", r"\\", r"}{", "} \\boxed{"))
    return joiner.join(random.sample([right, *others, "7"], 3))


def nested_formatting(random: Random, text: str) -> str:
    """The text in nested fonts, units and signs."""
    for _ in range(random.choice((1, 1, 2, 3, 30))):
        text = random.choice(SETTINGS).replace("%%", "%").replace("%s", text[:LONGEST])
    return text


def hostile_maths(random: Random, right: str, others: Sequence[str]) -> str:
    """One hostile response."""
    kind = random.randrange(10)
    if kind == 0:
        return hostile(random, right, others).replace("```", r"\boxed{", 1).replace("```", "}", 1)
    answer = (
        expression(random, random.randint(0, 4)) if kind < 4
        else random.choice(TOWERS) if kind == 4
        else mutilated(random, random.choice((right, *TOWERS))) if kind < 7
        else several_answers(random, right, others) if kind == 7
        else nested_formatting(random, random.choice((right, right, *others, "7", *TOWERS)))
    )  # fmt: skip
    return random.choice(
        (*LINES, *(r"\boxed{%s}",) * 10, "Answer: %s", r"\boxed{%s", r"$%s$", r"\boxed{%s}\boxed{%s}")
    ).replace("%s", answer)
