"""Scorers: score a response by the answer in its row. The only class that your own task needs.

A scorer is named in YAML by its class_path, with its arguments; scorers compose.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from app.types import Composite
from datamodules.values import readable, text_of


@dataclass(frozen=True)
class Row:
    """A row, for a scorer that needs more than the answer.

    Args:
        prompt: the row's prompt: text, or a tuple of messages.
        answer: the value of the answer's column; None if the row has none.
        columns: all columns of the row, by name.
    """

    prompt: Any
    answer: Any
    columns: dict[str, Any]


class Scorer(ABC):
    """Base class of scorers: scores a response by the `answer` of its row."""

    @abstractmethod
    def score(self, response: str, answer: Any) -> float:
        """A number in [0, 1]; only 1 passes. It should never raise, be quick and have no side effects.

        Args:
            response: the policy's response, without its stop token.
            answer: the row's answer: text, a number, or any other JSON value. A copy, which may be changed.
        """

    def extract_answer(self, response: str, answer: Any) -> str | None:
        """The extracted answer, in a form that is equal for equal answers; by default the whole response.

        Diversity and the majority vote compare responses by it. None if there is no answer.
        """
        return response.strip() or None

    def solve(self, answer: Any) -> str:
        """A response that passes, used as a demonstration; by default the answer itself."""
        return text_of(answer)

    def check(self, answer: Any) -> None:  # noqa: B027 - most take any answer
        """Raise ValueError for an answer that no response could match; called when a row is read."""

    @property
    def judges_rows(self) -> bool:
        """Whether `answer` is the whole row, a `Row`; only TaskDataModule supports this."""
        return False

    @property
    def is_proven(self) -> bool:
        """Whether `solve` passes for every answer that `check` accepts, so that solutions need not be tested."""
        return False

    @property
    def promises(self) -> bool:
        """Whether solutions are meant to pass: `solve` is defined in the class of `score`, or in a subclass of it."""
        score, solve = (next(k for k in type(self).__mro__ if name in vars(k)) for name in ("score", "solve"))
        return issubclass(solve, score)


class Exact(Scorer):
    """Passes the answer itself, with any surrounding white space; numbers in plain digits.

    Accents as parts of a character or of their own are equal (Unicode's NFC), and characters without width are ignored.
    """

    def score(self, response: str, answer: Any) -> float:
        return float(readable(response).strip() == readable(text_of(answer)).strip())

    def extract_answer(self, response: str, answer: Any) -> str | None:
        return readable(response).strip() or None

    def check(self, answer: Any) -> None:
        if isinstance(answer, (dict, list, tuple, bytes)) or not readable(text_of(answer)).strip():
            raise ValueError(f"the answer {answer!r:.80} is neither text nor a number, which a response could be")

    @property
    def is_proven(self) -> bool:
        return type(self) is Exact  # a subclass may require more


class Weighted(Scorer):
    """A weighted mean of scorers: continuous, and 1 only if all of them give 1.

    Args:
        scorers: at least one; the first one gives the solution and the extracted answer.
        weights: the weight of each, above 0; they need not sum to 1.
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
                return score  # the answer is unscored
        if min(scores) == 1:
            return 1.0  # the rounded mean may be less
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
        return False  # the first one's solution may fail another


class AtLeast(Scorer):
    """Binary: 1 if another scorer gives at least the threshold, else 0.

    Args:
        scorer: the other scorer.
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
