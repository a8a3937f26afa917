"""What every rollout engine does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.types import Completion, Request, Sampling

if TYPE_CHECKING:
    from app.policy import Policy


class RolloutEngine(ABC):
    """Prompts -> completions.

    Attributes:
        samples_the_policy: whether the recorded log-probabilities are the present policy's own, so
            that the first update of an iteration is on-policy and needs no ratio.
        is_remote: whether another model answers, in text alone: such an engine needs no policy, and nothing
            can be trained on what it says.
    """

    samples_the_policy: bool = True
    is_remote: bool = False

    @abstractmethod
    def sync(self, policy: Policy) -> None:
        """Take over the policy's present weights; called before every sampling."""

    @abstractmethod
    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        """n completions of each request, in order.

        Rollout r of a request depends on the weights, the prompt, the sampling and the sentence
        f"{request.seed}/{r}" alone, not on what else is in the call.
        """

    def spent(self) -> dict[str, float]:
        """What sampling has cost since this was last asked, by name; nothing where nobody counts."""
        return {}
