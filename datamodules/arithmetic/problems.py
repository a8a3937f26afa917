"""Arithmetic problems of several levels as chats; the answer is the last number of a response."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import comb, prod
from random import Random
from typing import Any, NamedTuple

from app.types import Problem, Prompt
from datamodules.base.generate import Puzzle

QUESTION = "What is {expression}? Answer briefly."
LARGEST = 20


class Form(NamedTuple):
    """A level of difficulty.

    Attributes:
        text: the expression, with a placeholder for each operand.
        value: computes the value from the operands.
        alike: sizes of the groups of consecutive operands that can be exchanged without changing the problem.
    """

    text: str
    value: Callable[..., int]
    alike: tuple[int, ...]


FORMS = {
    "addition": Form("{} + {}", lambda a, b: a + b, (2,)),
    "subtraction": Form("{} - {}", lambda a, b: a - b, (1, 1)),
    "multiplication": Form("{} * {}", lambda a, b: a * b, (2,)),
    "two_additions": Form("{} + {} + {}", lambda a, b, c: a + b + c, (3,)),
    "addition_then_subtraction": Form("{} + {} - {}", lambda a, b, c: a + b - c, (2, 1)),
    "multiplication_then_addition": Form("{} * {} + {}", lambda a, b, c: a * b + c, (2, 1)),
}
"""The forms by level name, easier ones first."""

NUMBER = re.compile(
    r"""(?<![\w.^/])                       # no part of a word, of a longer number, of a power or of a fraction
    (?P<whole>[0-9]{1,3}(?:,[0-9]{3}){1,9}+(?![0-9])|[0-9]++)
    (?:\.(?P<fraction>[0-9]++))?+
    (?![\w^/%]|[.,][0-9])""",
    re.VERBOSE,
)
MINUS = re.compile(r"(?<![\w.)\]])[-\u2212]$")
"""A minus sign (ASCII or typographic) directly before a number and not after an operand: "= -5", not "12-5"."""


def last_number(text: str) -> str | None:
    """The last number in a text without superfluous zeros, such as "-7", "1250" or "0.5"; None if there is none.

    Never raises; takes linear time. Digits are compared as text and never converted, so any number of them is safe.
    """
    found = next(iter(deque(NUMBER.finditer(text), maxlen=1)), None)
    if found is None:
        return None
    whole = found["whole"].replace(",", "").lstrip("0") or "0"
    fraction = (found["fraction"] or "").rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    is_negative = number != "0" and MINUS.search(text, max(0, found.start() - 2), found.start())
    return f"-{number}" if is_negative else number


@dataclass(frozen=True)
class ArithmeticProblem(Problem):
    """One expression to evaluate, as a chat of one message.

    Args:
        level: a name of `FORMS`.
        operands: in the order of the expression.
        question: the message, with a placeholder for the expression.
    """

    level: str
    operands: tuple[int, ...]
    question: str = QUESTION

    @property
    def expression(self) -> str:
        """The expression, such as "12 + 7"."""
        return FORMS[self.level].text.format(*self.operands)

    @property
    def value(self) -> int:
        return FORMS[self.level].value(*self.operands)

    @property
    def prompt(self) -> Prompt:  # type: ignore[override]
        return ({"role": "user", "content": self.question.format(expression=self.expression)},)

    @property
    def key(self) -> str:  # type: ignore[override]
        """Equal for "12 + 7" and "7 + 12", which count as one problem."""
        rest, rows = list(self.operands), list[int]()
        for number in FORMS[self.level].alike:
            rows += sorted(rest[:number])
            rest = rest[number:]
        return FORMS[self.level].text.format(*rows)

    @property
    def solution(self) -> str:  # type: ignore[override]
        return f"{self.expression} = {self.value}"

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.level

    def score(self, response: str) -> float:
        """1 if the last number of the response is the value, else 0."""
        return float(last_number(response) == str(self.value))

    def extract_answer(self, response: str) -> str | None:
        return last_number(response)


@dataclass(frozen=True)
class Arithmetic(Puzzle[ArithmeticProblem]):
    """Random expressions of one level.

    Args:
        level: a name of `FORMS`.
        largest: operands are drawn from 1 to this number.
        question: the message, with a place for the expression.
    """

    level: str
    largest: int = LARGEST
    question: str = QUESTION

    def __post_init__(self) -> None:
        if self.level not in FORMS:
            raise ValueError(f"the level {self.level!r} is none of {', '.join(FORMS)}")
        if self.largest < 1:
            raise ValueError(f"largest={self.largest} must be at least 1")
        try:
            asked = self.question.format(expression="1 + 1")
        except (LookupError, ValueError):
            asked = ""
        if "1 + 1" not in asked:
            raise ValueError(f"question={self.question!r} must have {{expression}} once, and no other place")

    @property
    def label(self) -> str:
        return self.level

    def generate(self, random: Random) -> ArithmeticProblem:
        number = sum(FORMS[self.level].alike)
        return self.load([random.randint(1, self.largest) for _ in range(number)])

    def capacity(self) -> int:
        """The product over groups of the number of multisets of exchangeable operands."""
        return prod(comb(self.largest + number - 1, number) for number in FORMS[self.level].alike)

    def fingerprint(self) -> dict[str, Any]:
        return {"level": self.level, "largest": self.largest}

    def dump(self, problem: ArithmeticProblem) -> list[int]:
        return [*problem.operands]

    def load(self, data: list[int]) -> ArithmeticProblem:
        return ArithmeticProblem(self.level, tuple(data), self.question)
