"""Sum skyscrapers: the heights of the seen buildings added up."""

from __future__ import annotations

from benchmarks.oracles.skyscraper import latin_with
from datamodules.puzzles.enigmata.task import Question


def right(question: Question, answer: str) -> bool:
    return latin_with(question, answer, sum)
