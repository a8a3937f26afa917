"""FADE: hard problems are weighted by the running pass rate, failures by the running entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.distributed.processes import sum_over_processes
from app.passk import centred
from app.types import Rollouts


def fade_advantage(rewards: Tensor, alpha: float, delta: float) -> Tensor:
    """(1 - mean)^(alpha - 1) (r - mean), divided by delta below the mean.  [.., N] -> [.., N] double

    At alpha = k and delta = 1 the expected gradient is, for many rollouts, that of Pass@k divided by k.
    """
    deviation = centred(rewards)
    weight = (1 - rewards.double().mean(-1, keepdim=True)) ** (alpha - 1)  # [.., 1]
    return weight * torch.where(deviation < 0, deviation / delta, deviation)


class FADE(AdvantageEstimator):
    """Focal and asymmetric advantages that adapt to the run (Decugis et al., arXiv 2607.01490).

    A rollout's advantage is (1 - mean)^(alpha - 1) (r - mean), and 1 / delta times that below the mean, where

        alpha = clip(3 (1 - p) / (2 p), 1, alpha_max)   p: pass rate (mean reward)
        delta = clip(1 + H - H*, delta_min, 1)          H: token entropy in nats, H*: its target

    At a low pass rate hard problems have more weight; with the entropy below its target, failures get
    larger negative advantages, which raises the entropy. With delta below 1 the
    advantages of a problem don't sum to zero.

    p and H are running means over all rollouts and all tokens of all processes:
    new = (1 - rate) old + rate now. The source swaps the two coefficients, which at its 0.02 would give the
    newest batch the weight 0.98. The first batch sets both. `observe` counts a batch, once per iteration and
    on all processes together; before the first one, alpha and delta are those of the batch itself.

    Args:
        alpha_max: the largest alpha, at least 1; the default of 3 is reached at pass rates up to a third.
        target_entropy: H*, in nats, at least 0; defaults to half of the first batch's entropy.
        rate: weight of the newest batch in the running means, in (0, 1].
        delta_min: failures count at most 1 / delta_min times as much; in (0, 1].
    """

    requires = ("entropies",)

    def __init__(
        self,
        alpha_max: float = 3.0,
        target_entropy: float | None = None,
        rate: float = 0.02,
        delta_min: float = 0.3,
    ) -> None:
        if not 1 <= alpha_max < float("inf"):
            raise ValueError(f"alpha_max={alpha_max} must be a finite number of at least 1")
        if target_entropy is not None and not 0 <= target_entropy < float("inf"):
            raise ValueError(f"target_entropy={target_entropy} must be a finite number of at least 0")
        for name, value in {"rate": rate, "delta_min": delta_min}.items():
            if not 0 < value <= 1:
                raise ValueError(f"{name}={value} must lie in (0, 1]")
        self.alpha_max, self.target_entropy, self.rate, self.delta_min = alpha_max, target_entropy, rate, delta_min
        self._pass_rate: float | None = None
        self._entropy: float | None = None
        self._first_entropy: float | None = None

    def estimate(self, rollouts: Rollouts) -> Tensor:
        pass_rate, entropy = self._pass_rate, self._entropy
        if pass_rate is None or entropy is None:
            reward, num_rollouts, entropies, num_tokens = self._totals(rollouts).tolist()
            pass_rate, entropy = reward / num_rollouts, entropies / num_tokens
        return fade_advantage(rollouts.rewards, self._alpha(pass_rate), self._delta(entropy))

    def informative(self, rollouts: Rollouts) -> Tensor:
        """Problems whose rewards differ, for any alpha and delta; the running means are not updated.

        No collective, since processes may call it a different number of times when they sample again.
        """
        self.check_rewards(rollouts.rewards)
        return centred(rollouts.rewards).ne(0).any(-1)

    def observe(self, rollouts: Rollouts) -> None:
        """Update the running means by one iteration's scored answers, over all processes."""
        self.check_rollouts(rollouts)
        reward, num_rollouts, entropy, num_tokens = sum_over_processes(self._totals(rollouts)).tolist()
        if not num_rollouts:
            return
        now = reward / num_rollouts, entropy / num_tokens
        if self._first_entropy is None:
            self._first_entropy = now[1]
        self._pass_rate, self._entropy = self._moved(self._pass_rate, now[0]), self._moved(self._entropy, now[1])

    @staticmethod
    def _totals(rollouts: Rollouts) -> Tensor:
        """Sum of rewards, number of scored answers, sum of entropies, number of tokens.  [4], double"""
        entropies = rollouts.padded("entropies")
        assert entropies is not None
        scored, device = rollouts.scored, rollouts.rewards.device
        rewards, entropies = rollouts.rewards[scored].double(), entropies[scored.to(entropies.device)].double()
        totals = [rewards.sum(), rewards.numel(), entropies.sum(), rollouts.lengths[scored].sum()]
        return torch.stack([torch.as_tensor(total, dtype=torch.double, device=device) for total in totals])

    def _moved(self, old: float | None, now: float) -> float:
        return now if old is None else (1 - self.rate) * old + self.rate * now

    def _alpha(self, pass_rate: float) -> float:
        if pass_rate <= 0:
            return self.alpha_max
        return min(max(3 * (1 - pass_rate) / (2 * pass_rate), 1.0), self.alpha_max)

    def _delta(self, entropy: float) -> float:
        first = entropy if self._first_entropy is None else self._first_entropy
        target = first / 2 if self.target_entropy is None else self.target_entropy
        return min(max(1 + entropy - target, self.delta_min), 1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"pass_rate": self._pass_rate, "entropy": self._entropy, "first_entropy": self._first_entropy}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._pass_rate, self._entropy = state["pass_rate"], state["entropy"]
        self._first_entropy = state["first_entropy"]
