"""Countdown: every step of the expression a positive whole number."""

from __future__ import annotations

from collections import Counter

from datamodules.enigmata.tasks.task import Question
from tests.oracles.arithmetic import steps


def right(question: Question, answer: str) -> bool:
    """Of an expression; that there is none is never right, as every question has one."""
    found = steps(answer, question["target"])
    if found is None:
        return False
    numbers, results = found
    positive = all(value > 0 and value.denominator == 1 for value in results)
    return positive and Counter(numbers) == Counter(question["numbers"]) and results[-1] == question["target"]
