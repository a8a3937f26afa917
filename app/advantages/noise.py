"""Estimators on changed rewards: noise rewards, and a threshold for graded ones."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, Wrapper, check_share
from app.seeds import generator_of
from app.types import Rollouts


class _OtherRewards(Wrapper):
    """Base class: the wrapped estimator gets changed rewards; those of the batch are unchanged."""

    @abstractmethod
    def rewards(self, rollouts: Rollouts) -> Tensor:
        """The rewards that the wrapped estimator gets.  -> [P, N]"""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return self.of(replace(rollouts, rewards=self.rewards(rollouts)))

    def observe(self, rollouts: Rollouts) -> None:
        """Update the wrapped estimator's state by the rewards that `estimate` gives it; unscored answers stay so."""
        rewards = rollouts.rewards.clone()
        for places, part in rollouts.split_by_num_scored():
            scored = torch.zeros_like(rollouts.scored)
            scored[places] = rollouts.scored[places]
            rewards[scored] = self.rewards(part).flatten()
        self.of.observe(replace(rollouts, rewards=rewards))

    def informative(self, rollouts: Rollouts) -> Tensor:
        self.check_rewards(rollouts.rewards)
        return self.of.informative(replace(rollouts, rewards=self.rewards(rollouts)))


class FlipNegatives(_OtherRewards):
    """Gives some failing rollouts reward 1: the paper's noise rewards, a baseline (Section 3.1, Figure 6a).

    Each failing rollout is flipped independently with probability `share`: a fixed number would
    be rounded, and 10 % of 3 would always be none. The paper does not say how it samples.

    Args:
        of: the estimator that gets the flipped rewards.
        share: the probability of a flip, in [0, 1]; 0.1, 0.3 and 0.5 in the paper.
        seed: seeds the draws, which also depend on the problem and on its sampled texts, or on its
            rewards if there are no texts. They differ between iterations as the answers do, and
            need no state to resume.
    """

    def __init__(self, of: AdvantageEstimator, share: float, seed: int = 0) -> None:
        check_share("share", share)
        super().__init__(of)
        self.share, self.seed = share, seed

    def rewards(self, rollouts: Rollouts) -> Tensor:
        size = rollouts.rewards.shape[-1]
        texts = [[row.text for row in group] for group in rollouts.completions]
        sampled = texts or rollouts.rewards.tolist()
        draws = torch.stack(
            [
                torch.rand(size, generator=generator_of(f"{self.seed}/flip/{problem.key}/{own}"))
                for problem, own in zip(rollouts.problems, sampled, strict=True)
            ]
        ).to(rollouts.rewards.device)  # [P, N]
        return rollouts.rewards.masked_fill(draws < self.share, 1)  # a passing one stays 1


class Binary(_OtherRewards):
    """Makes graded rewards binary for the wrapped estimator.

    Args:
        of: the estimator that gets them.
        threshold: rewards of at least this much count as 1, all others as 0; in (0, 1].
    """

    def __init__(self, of: AdvantageEstimator, threshold: float = 1.0) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold={threshold} must lie in (0, 1]")
        super().__init__(of)
        self.binary = False
        self.threshold = threshold

    def rewards(self, rollouts: Rollouts) -> Tensor:
        return (rollouts.rewards >= self.threshold).to(rollouts.rewards)
