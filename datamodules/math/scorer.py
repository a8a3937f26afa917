"""The scorer of mathematics answers, by math-verify."""

from __future__ import annotations

from typing import Any

from datamodules.math.answers import canonical, decided, equivalent, final_answer
from datamodules.math.references import check_reference, reference
from datamodules.scorers import Scorer


class MathScorer(Scorer):
    """Passes a final answer that equals the reference, in any form."""

    def score(self, response: str, answer: Any) -> float:
        given = final_answer(response)
        return decided(lambda: given is not None and equivalent(given, reference(answer)))

    def extract_answer(self, response: str, answer: Any) -> str | None:
        return canonical(final_answer(response))

    def solve(self, answer: Any) -> str:
        return f"\\boxed{{{reference(answer)}}}"

    def check(self, answer: Any) -> None:
        check_reference(answer)

    @property
    def is_proven(self) -> bool:
        return type(self) is MathScorer  # a subclass may require more
