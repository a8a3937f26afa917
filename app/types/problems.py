"""Questions that can score their own answers: what a data module holds."""

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
"""What a model is given of a prompt's pictures, by its own names, on the host; empty where there are none."""


class Unscored(float):
    """The score of an answer that a scorer can't judge: NaN, with the cause, so that it is left out instead of wrong.

    Args:
        cause: why there is no score, in a line.
    """

    cause: str

    def __new__(cls, cause: str) -> Unscored:
        score = super().__new__(cls, "nan")
        score.cause = cause
        return score


MOST_PARTS, LONGEST_PART = 16, 64
"""Rewards that a score is made of, and characters of the name of one."""


class Composite(float):
    """A score in [0, 1] that is made of several rewards.

    Args:
        score: the whole.
        parts: the rewards by name, as their functions gave them; one that does not apply is left out.

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
    """A frozen question that can score its own answer.

    Attributes:
        prompt: what the policy reads.
        key: canonical form; two problems with one key are the same problem.
        solution: a reference answer, itself scored 1; empty where none is known.
        label: the set it is reported under, such as "7x7".
        origin: where it was read, such as "train.jsonl, row 41", which is no part of what it is; "" of no file.
    """

    prompt: Prompt
    key: str
    solution: str
    label: str
    origin: str = ""

    @abstractmethod
    def score(self, response: str) -> float:
        """Judge a response: 1 passes, anything below fails.

        A total function: any string gives a number in [0, 1], or `Unscored`, within milliseconds, without an
        exception or a side effect, and never by running the text as code.
        """

    def extract_answer(self, response: str) -> str | None:
        """The answer that `score` judges, in a canonical form: two responses with equal answers have equal texts.

        What answers are compared by, for their diversity and for the majority vote. The stripped response by default.
        Like `score` it never raises and takes time linear in the text; None where the response holds no answer.
        """
        return response.strip() or None

    @property
    def identity(self) -> str:
        """What a resumed run must find again: the problem and its answer."""
        return f"{self.key}\n{self.solution}"

    def demonstrate(self, random: Random) -> str:
        """A correct answer to imitate; drawn at random where several are equally good."""
        return self.solution

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets it is reported under: its label, and wider ones."""
        return (self.label,)

    def draw(self, response: str) -> str | None:
        """The problem with the response drawn into it, as fixed-width text, where that helps a reader."""
        return None
