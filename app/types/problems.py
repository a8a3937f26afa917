"""Problems, which score their own answers, and the types of their scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import isfinite
from random import Random
from typing import Any, TypeAlias

from torch import Tensor

Prompt: TypeAlias = str | tuple[dict[str, Any], ...]
"""Plain text, or the messages of a chat: each a `role` and a `content`, text or texts and pictures (`pictures.py`)."""

Vision: TypeAlias = dict[str, Tensor]
"""A model's inputs for a prompt's pictures, by its own names, on the host; empty if there are none."""


class Unscored(float):
    """The score NaN of an answer that could not be scored, with the cause; left out, not wrong.

    Args:
        cause: why there is no score, in one line.
    """

    cause: str

    def __new__(cls, cause: str) -> Unscored:
        score = super().__new__(cls, "nan")
        score.cause = cause
        return score


MOST_PARTS, LONGEST_PART = 16, 64
"""The most rewards in a composite score, and the most characters of a reward's name."""


class Composite(float):
    """A score in [0, 1] composed of several rewards.

    Args:
        score: the whole score.
        parts: the rewards by name, as returned by their functions; without those that do not apply.

    Raises:
        ValueError: for a reward that is not finite, more than MOST_PARTS, or a name longer than LONGEST_PART.
    """

    parts: dict[str, float]

    def __new__(cls, score: float, parts: Mapping[str, float]) -> Composite:
        whole = super().__new__(cls, score)
        whole.parts = {name: float(value) for name, value in parts.items()}
        if len(parts) > MOST_PARTS or not all(len(name) <= LONGEST_PART for name in parts):
            raise ValueError(f"{len(parts)} parts: at most {MOST_PARTS}, with names of {LONGEST_PART} characters")
        if not all(map(isfinite, whole.parts.values())):
            raise ValueError(f"parts must be finite: {whole.parts}")
        return whole


class Problem(ABC):
    """Base class of problems: an immutable question that can score its own answers.

    Attributes:
        prompt: the prompt for the policy.
        key: canonical form; two problems with equal keys are the same problem.
        solution: a reference answer, with score 1; "" if none is known.
        label: the set under which it is reported, such as "7x7".
        origin: its file and row, such as "train.jsonl, row 41", not part of its identity; "" without a file.
    """

    prompt: Prompt
    key: str
    solution: str
    label: str
    origin: str = ""

    @abstractmethod
    def score(self, response: str) -> float:
        """Score a response: 1 passes, anything below fails.

        For any string it returns a number in [0, 1], or `Unscored`, within milliseconds, without an
        exception or side effects, and never runs the text as code.
        """

    def extract_answer(self, response: str) -> str | None:
        """The extracted answer that `score` checks, in a canonical form: equal answers have equal texts.

        Diversity and the majority vote compare responses by it. By default the stripped response.
        Like `score` it never raises, and it takes time linear in the text; None if the response has no answer.
        """
        return response.strip() or None

    @property
    def identity(self) -> str:
        """The problem and its answer as text; a resumed run checks that they are the same."""
        return f"{self.key}\n{self.solution}"

    @property
    def reference(self) -> str:
        """The answer that decides the score, as text, by which rows of one question are compared; "" for rules."""
        return ""

    def demonstrate(self, random: Random) -> str:
        """A correct answer for demonstrations; random if several are equally good."""
        return self.solution

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets under which it is reported: its label, and larger ones."""
        return (self.label,)

    def draw(self, response: str) -> str | None:
        """The problem with the response drawn into it, as fixed-width text; None if it has no such form."""
        return None
