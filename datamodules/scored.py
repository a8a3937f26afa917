"""Problems with a scorer, and prompts without one."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from app.kept import settings_kept
from app.types import Problem, Prompt, Unscored
from app.types.pictures import canonical
from datamodules.scorers import Row, Scorer
from datamodules.values import text_of


@dataclass(frozen=True)
class ScoredProblem(Problem):
    """A prompt with an answer and a scorer.

    The scorer gets a copy of the answer each time: one that takes elements out of a list changes no later score.

    Args:
        prompt: the prompt for the policy.
        answer: the row's answer.
        scorer: scores responses by the answer.
        label: the set under which it is reported.
    """

    prompt: Prompt
    answer: Any = field(hash=False)
    scorer: Scorer = field(repr=False, compare=False)
    label: str

    @property
    def key(self) -> str:  # type: ignore[override]
        """The prompt, with digests of its pictures' contents."""
        return canonical(self.prompt)

    @property
    def solution(self) -> str:  # type: ignore[override]
        with settings_kept():
            return self.scorer.solve(deepcopy(self.answer))

    @property
    def identity(self) -> str:
        """Does not call the scorer, whose `solve` may fail or change."""
        return f"{self.key}\n{self.answer}"

    @property
    def reference(self) -> str:
        """The answer as the scorer reads it, if it is one of passk's; a user's scorer is not called."""
        if self.scorer.is_proven:
            return self.extract_answer(self.solution) or ""
        answer = self.answer.answer if isinstance(self.answer, Row) else self.answer
        return "" if answer is None else text_of(answer).strip()

    def score(self, response: str) -> float:
        return self.scorer.score(response, deepcopy(self.answer))

    def extract_answer(self, response: str) -> str | None:
        return self.scorer.extract_answer(response, deepcopy(self.answer))


@dataclass(frozen=True)
class AskedPrompt(Problem):
    """A prompt whose answers are not scored.

    Args:
        prompt: the prompt for the policy.
        solution: the reference written beside an answer; "" for none.
        label: the set under which it is reported.
    """

    prompt: Prompt
    solution: str
    label: str

    @property
    def key(self) -> str:  # type: ignore[override]
        return canonical(self.prompt)

    def score(self, response: str) -> float:
        return Unscored("a prompt without a scorer")
