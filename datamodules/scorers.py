"""What judges a response by the answer in its row: the one class that a task of your own needs.

A scorer is named in YAML by its class_path, with its arguments; scorers compose.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from app.types import Composite
from datamodules.values import text_of


@dataclass(frozen=True)
class Row:
    """A row, for a scorer that judges by more than the answer.

    Args:
        prompt: as the row asks: text, or a tuple of messages.
        answer: of the answer's column; None where the row has none.
        columns: all of the row's, by name.
    """

    prompt: Any
    answer: Any
    columns: dict[str, Any]


class Scorer(ABC):
    """Judges a response to a question whose row holds `answer`."""

    @abstractmethod
    def score(self, response: str, answer: Any) -> float:
        """A number in [0, 1], of which 1 alone passes; best total, quick and without side effects.

        Args:
            response: what the policy wrote, without its stop token.
            answer: as the row has it: text, a number, or whatever JSON holds. A copy, which may be changed.
        """

    def extract_answer(self, response: str, answer: Any) -> str | None:
        """The part of a response that `score` judges, in a form that is equal where answers are; the whole by default.

        Responses are compared by it, for their diversity and for the majority vote. None where there is no answer.
        """
        return response.strip() or None

    def solve(self, answer: Any) -> str:
        """A response that passes, for demonstrations to imitate; the answer itself unless said."""
        return text_of(answer)

    def check(self, answer: Any) -> None:  # noqa: B027 - most take any answer
        """Raise ValueError for an answer that no response could pass by; asked of every row when it is read."""

    @property
    def judges_rows(self) -> bool:
        """Whether it is given the whole row, as a `Row`, in place of the answer; TaskDataModule alone has it."""
        return False

    @property
    def is_proven(self) -> bool:
        """Whether `solve` passes by every answer that `check` lets through, so that none needs to be tried."""
        return False

    @property
    def promises(self) -> bool:
        """Whether what `solve` gives is meant to pass: where a class writes it with `score` or after."""
        score, solve = (next(k for k in type(self).__mro__ if name in vars(k)) for name in ("score", "solve"))
        return issubclass(solve, score)


class Exact(Scorer):
    """Passes the answer itself, white space around it aside; a number in plain digits (`datamodules/values.py`)."""

    def score(self, response: str, answer: Any) -> float:
        return float(response.strip() == text_of(answer).strip())

    def check(self, answer: Any) -> None:
        if isinstance(answer, (dict, list, tuple, bytes)) or not text_of(answer).strip():
            raise ValueError(f"the answer {answer!r:.80} is neither text nor a number, which a response could be")

    @property
    def is_proven(self) -> bool:
        return type(self) is Exact  # another's `score` may ask for more


class Weighted(Scorer):
    """A weighted mean of scorers: continuous, and 1 only where all of them say 1.

    Args:
        scorers: at least one; the first one's solution is the solution, and what it extracts the answer.
        weights: of each, above 0; they need not sum to 1.
    """

    def __init__(self, scorers: list[Scorer], weights: Sequence[float]) -> None:
        if not scorers or len(scorers) != len(weights):
            raise ValueError(f"{len(weights)} weights must be given for {len(scorers)} scorers, at least one")
        for weight in weights:
            if not 0 < weight < float("inf"):
                raise ValueError(f"the weight {weight} must be above 0")
        if any(scorer.judges_rows for scorer in scorers):
            raise ValueError("Weighted takes no scorer of whole rows, which has weights of its own: reward_weights")
        self.scorers, self.weights = scorers, weights

    def score(self, response: str, answer: Any) -> float:
        scores = [scorer.score(response, deepcopy(answer)) for scorer in self.scorers]
        for score in scores:
            if not 0 <= score <= 1:
                return score  # and so the answer is unscored
        if min(scores) == 1:
            return 1.0  # which the rounding of a mean might miss
        return sum(weight * score for weight, score in zip(self.weights, scores, strict=True)) / sum(self.weights)

    def extract_answer(self, response: str, answer: Any) -> str | None:
        return self.scorers[0].extract_answer(response, answer)

    def solve(self, answer: Any) -> str:
        return self.scorers[0].solve(answer)

    def check(self, answer: Any) -> None:
        for scorer in self.scorers:
            scorer.check(deepcopy(answer))

    @property
    def promises(self) -> bool:
        return False  # the first one's solution may lack what another asks for


class AtLeast(Scorer):
    """Binary: 1 where another scorer gives at least so much, 0 elsewhere.

    Args:
        scorer: the other.
        threshold: in (0, 1].
    """

    def __init__(self, scorer: Scorer, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold={threshold} must lie in (0, 1]")
        self.scorer, self.threshold = scorer, threshold

    def score(self, response: str, answer: Any) -> float:
        score = self.scorer.score(response, answer)
        if not 0 <= score <= 1:
            return score
        passes = float(score >= self.threshold)
        return Composite(passes, score.parts) if isinstance(score, Composite) else passes

    def extract_answer(self, response: str, answer: Any) -> str | None:
        return self.scorer.extract_answer(response, answer)

    def solve(self, answer: Any) -> str:
        return self.scorer.solve(answer)

    def check(self, answer: Any) -> None:
        self.scorer.check(answer)

    @property
    def judges_rows(self) -> bool:
        return self.scorer.judges_rows

    @property
    def is_proven(self) -> bool:
        return self.scorer.is_proven

    @property
    def promises(self) -> bool:
        return self.scorer.promises
