"""Larger advantages for passing responses that are less likely under the policy."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, Wrapper, check_share, choose
from app.advantages.pass_one import PassOne
from app.types import Rollouts


def likelihood_ranks(logprobs: Tensor) -> Tensor:
    """The number of the problem's more probable responses.  [P, N] -> [P, N], 0 for the most probable

    Equally probable responses share a rank, so the order of sampling has no effect.
    """
    surprise = -logprobs
    return torch.searchsorted(surprise.sort(-1).values, surprise)


def unlikely_rewards(rewards: Tensor, logprobs: Tensor, beta: float) -> Tensor:
    """r (1 - beta (N - rank) / N); rank 0 is the most probable response.  twice [P, N] -> [P, N] double"""
    num_rollouts = rewards.shape[-1]
    discount = beta * (num_rollouts - likelihood_ranks(logprobs)).double() / num_rollouts
    return rewards.double() * (1 - discount)


def rarity_weights(mean_logprobs: Tensor, passed: Tensor, tau: float) -> Tensor:
    """n_c b, the weight of passing responses; 1 for failing ones.  twice [P, N] -> [P, N] double

    With q = softmax(l) over the n_c passing responses, b = (1 - tau) / n_c + tau (1 / q) / sum(1 / q).
    1 / q is proportional to e^-l, so the second term is softmax(-l) and q itself is never computed.
    """
    num_passed = passed.sum(-1, keepdim=True)  # n_c, [P, 1]
    rarity = torch.softmax((-mean_logprobs.double()).masked_fill(~passed, -torch.inf), -1)  # NaN where none passed
    return torch.where(passed, 1 - tau + tau * num_passed * rarity, 1.0)


class Unlikeliness(Wrapper):
    """Lowers the rewards of likely passing responses (He, Fried and Welleck, arXiv 2506.02355).

    The wrapped estimator gets r (1 - beta (N - rank) / N) instead of r; rank 0 is the response with
    the highest probability under the policy: the product over its tokens as sampled, which
    favours short ones. Failing responses keep 0, and a problem whose rollouts all pass or all fail has zero
    advantages, though the ranks differ. The paper does not say how equal probabilities
    rank; here they share the lower rank. Assumes log-probabilities of the whole distribution (`Sampling`).

    Args:
        of: the wrapped estimator; must accept graded rewards; defaults to `PassOne`, as in the paper.
        beta: share of its reward that the most probable response loses, in [0, 1].

    Raises:
        ValueError: for an estimator of binary rewards.
    """

    requires = ("sampler_logprobs",)

    def __init__(self, of: AdvantageEstimator | None = None, beta: float = 0.25) -> None:
        check_share("beta", beta)
        super().__init__(of or PassOne())
        if self.of.binary:
            raise ValueError(f"Unlikeliness grades rewards, and {type(self.of).__name__} must have them 0 or 1")
        self.beta = beta

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(self._regraded(rollouts))
        return choose(self._mixed(rollouts), advantages, torch.zeros_like(advantages))

    def informative(self, rollouts: Rollouts) -> Tensor:
        return self._mixed(rollouts) & self.of.informative(self._regraded(rollouts))

    def _regraded(self, rollouts: Rollouts) -> Rollouts:
        logprobs = rollouts.padded("sampler_logprobs")
        assert logprobs is not None
        total = logprobs.double().sum(-1).to(rollouts.rewards.device)  # [P, N]
        return replace(rollouts, rewards=unlikely_rewards(rollouts.rewards, total, self.beta))

    def _mixed(self, rollouts: Rollouts) -> Tensor:
        """Problems whose rewards differ.  [P], bool"""
        return rollouts.rewards.amax(-1) > rollouts.rewards.amin(-1)


class UCPO(Wrapper):
    """Redistributes advantage among passing responses, towards unlikely ones (arXiv 2605.00365).

    A passing response's advantage is multiplied by n_c b (`rarity_weights`), with l the mean
    log-probability of its tokens, so that length has no effect. The weights average 1 over the
    passing responses: if the wrapped estimator gives all of these the same advantage, their sum is unchanged.
    Failing responses are unchanged. Assumes binary rewards, and log-probabilities of the
    whole distribution (`Sampling`); the weights have no gradient.

    Args:
        of: the wrapped estimator; defaults to `PassOne`.
        tau: share that is distributed by rarity, in [0, 1]; 0 changes nothing. The reference code uses 0.2 to 0.3.
    """

    requires = ("sampler_logprobs",)

    def __init__(self, of: AdvantageEstimator | None = None, tau: float = 0.25) -> None:
        check_share("tau", tau)
        super().__init__(of or PassOne())
        self.tau = tau
        self.binary = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        logprobs = rollouts.padded("sampler_logprobs")
        assert logprobs is not None
        means = logprobs.double().sum(-1).to(advantages.device) / rollouts.lengths.to(advantages.device)  # [P, N]
        weights = rarity_weights(means, rollouts.passed.to(advantages.device), self.tau)
        return advantages * (weights if advantages.ndim == 2 else weights[..., None])
