"""CoT-Pass@k: an answer counts only if a judge accepts its reasoning too (Wen et al., 2506.14245)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from app.metrics.rollouts import Ratio, pass_at_ks
from app.types import Problem, Rollouts


class ReasoningJudge(ABC):
    """Decides whether the reasoning of a passing response is correct: a model, a proof checker or a rule.

    Each response is judged once in a run, also if its problem is in several sets or it is sampled again.
    """

    _known: dict[bytes, bool] | None = None

    @abstractmethod
    def judge(self, responses: Sequence[tuple[Problem, str]]) -> list[bool]:
        """Whether each response's reasoning is correct; all of them pass."""

    def accepted(self, responses: Sequence[tuple[Problem, str]]) -> list[bool]:
        """The results of `judge`, called once for each response; ValueError for another number of results."""
        known = self._known = {} if self._known is None else self._known
        keys = [_digest(problem.key, text) for problem, text in responses]
        new = {key: pair for key, pair in zip(keys, responses, strict=True) if key not in known}
        if new:
            verdicts = self.judge([*new.values()])
            if len(verdicts) != len(new):
                raise ValueError(
                    f"{type(self).__name__}.judge gave {len(verdicts)} verdicts: it must be one for each of the "
                    f"{len(new)} responses"
                )
            known.update(zip(new, map(bool, verdicts), strict=True))
        return [known[key] for key in keys]

    def __deepcopy__(self, memo: Any) -> ReasoningJudge:
        """Returns the same object: the copied metrics of all sets share one judge."""
        return self


def _digest(key: str, text: str) -> bytes:
    return blake2b(f"{len(key)} {key}{text}".encode(errors="surrogatepass"), digest_size=16).digest()


class CoTPassAtK(Ratio):
    """The unbiased Pass@k of responses whose answer passes and whose reasoning a judge accepts.

    Only responses that pass are judged. Configured in `evaluation.metrics`.

    Args:
        judge: judges the reasoning.
        k: the k of Pass@k, at most the number of answers per problem.
    """

    def __init__(self, judge: ReasoningJudge, k: int = 1) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        self.judge, self.k = judge, k

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        places = rollouts.passed.nonzero().tolist()
        responses = [(rollouts.problems[p], rollouts.completions[p][n].text) for p, n in places]
        accepted = torch.zeros_like(rollouts.passed)
        for (p, n), verdict in zip(places, self.judge.accepted(responses), strict=True):
            accepted[p, n] = verdict
        rewards = torch.where(rollouts.scored, accepted.to(rollouts.rewards), rollouts.rewards)
        total, problems = pass_at_ks(replace(rollouts, rewards=rewards), (self.k,))
        return total[0], problems[0]
