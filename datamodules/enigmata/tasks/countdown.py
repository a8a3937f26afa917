"""Countdown: combine all given numbers to a target; all intermediate results are positive integers."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import said
from datamodules.enigmata.tasks.expressions import ANSWER_IS, forms, makes
from datamodules.enigmata.tasks.game24 import listed
from datamodules.enigmata.tasks.task import Levels, Question, Task


class Countdown(Task):
    """A question is `{"numbers": [...], "target": int, "solvable": bool}`; all generated ones are solvable."""

    name = "countdown"
    levels: ClassVar[Levels] = {
        "easy": ({"count": 5, "largest": 15, "targets": (30, 100)},),
        "medium": ({"count": 6, "largest": 20, "targets": (50, 200)},),
        "hard": ({"count": 7, "largest": 25, "targets": (100, 500)},),
    }

    def draw(self, random: Random, count: int, largest: int, targets: tuple[int, int]) -> tuple[Question, str] | None:
        numbers, target = [random.randint(1, largest) for _ in range(count)], random.randint(*targets)
        expression = forms(numbers, target, positive)
        return None if expression is None else ({"numbers": numbers, "target": target, "solvable": True}, expression)

    def ask(self, question: Question) -> str:
        return (
            f"Countdown. Combine the numbers {', '.join(map(str, question['numbers']))} into an expression with the "
            f"value {question['target']}. Use each of them exactly once (one that is listed twice, twice), the "
            "operators + - * / and brackets, and nothing else. The result of every single step must be a positive "
            "whole number; * and / come before + and -, and equal ones go from left to right.\n\n"
            f"Give the expression in a fenced code block, or, if there is none, the words: {impossible(question)}"
        )

    def judge(self, question: Question, answer: str) -> bool:
        if said(answer, impossible(question)):
            return not question["solvable"]
        return makes(answer, question["numbers"], question["target"], positive)

    def canonical(self, question: Question) -> Any:
        return [sorted(question["numbers"]), question["target"]]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["numbers"], "target": question["target"]}

    def upstream_answer(self, question: Question, answer: str) -> str:
        solvable, target = question["solvable"], question["target"]
        return f"{ANSWER_IS}{answer} = {target}" if solvable else impossible(question)

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """Whether the target can be formed is computed here: upstream's search ignores the rule for steps."""
        meta = record.get("meta")
        numbers = listed(meta, most=7)
        target = meta.get("target") if isinstance(meta, Mapping) else None
        if numbers is None or type(target) is not int or not 0 < target < 10_000:
            return None
        return {"numbers": numbers, "target": target, "solvable": forms(numbers, target, positive) is not None}


def positive(value: Fraction) -> bool:
    """Whether a step may have this result: a positive integer."""
    return value.denominator == 1 and value > 0


def impossible(question: Question) -> str:
    """The answer if there is no expression."""
    return f"cannot form {question['target']}"


TASK = Countdown()
