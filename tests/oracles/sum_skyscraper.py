"""Sum skyscrapers: the heights of the seen buildings added up."""

from __future__ import annotations

from datamodules.enigmata.tasks.task import Question
from tests.oracles.skyscraper import latin_with


def right(question: Question, answer: str) -> bool:
    return latin_with(question, answer, sum)
