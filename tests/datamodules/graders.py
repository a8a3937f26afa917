"""Scorers as users write them, in a module that the process of the scorers can import."""

from __future__ import annotations

from time import sleep
from typing import Any

from datamodules.scorers import Scorer


class Tagged(Scorer):
    """Asks for a tag, which its solution lacks: it has no `solve`."""

    def score(self, response: str, answer: Any) -> float:
        return float(response == f"<answer>{answer}</answer>")


class Doubled(Scorer):
    """Passes the answer twice, and fails in the ways that answers ask for."""

    def score(self, response: str, answer: Any) -> float:
        if answer == "hang":
            sleep(60)
        return float(response == 2 * answer)

    def solve(self, answer: Any) -> str:
        if answer == "raise":
            raise KeyError("raise")
        return answer if answer == "once" else 2 * answer
