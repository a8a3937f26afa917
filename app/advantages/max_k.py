"""Estimators related to PKPO: off-policy max@k, best minus second, Pass@k without sigma, RLOO@k."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from app.advantages.base import AdvantageEstimator
from app.advantages.pass_k import SubsetEstimator
from app.advantages.pkpo import all_among
from app.advantages.plain import leave_one_out
from app.passk import all_fail_probability
from app.types import Rollouts


def max_k_off_policy(rewards: Tensor, ratios: Tensor | None, k: int) -> Tensor:
    """k times the mean of best reward times ratio over the subsets of k that contain i.  [P, N] -> [P, N]

    The ratio of a subset, the product of 1 + delta_j over its members, is 1 + sum of delta_j to first order.
    Sort g_1 <= .. <= g_N and set g_(N+1) = 0: the best reward of a subset is the sum of the drops g_l - g_(l+1)
    over all l for which the subset is among the first l, including l = N. A subset of i and k - 1 others is so
    with probability F_l = C(l - 1, k - 1) / C(N - 1, k - 1), and each of the l - 1 others is then a
    member with probability (k - 1) / (l - 1). So, with D_l the sum of the first l deltas,

        A_i = k sum_{l >= i} (g_l - g_(l+1)) F_l (1 + delta_i + (k - 1) / (l - 1) (D_l - delta_i))
    """
    num_rollouts = rewards.shape[-1]
    if not 1 <= k <= num_rollouts:
        raise ValueError(f"k={k} must lie between 1 and the {num_rollouts} rollouts per problem")
    ordered, order = rewards.double().sort(-1)
    delta = _deltas(rewards, ratios).gather(-1, order)  # [P, N]
    drops = ordered - pad(ordered[:, 1:], (0, 1))  # [P, N]; the last is g_N
    drops = drops * all_among(k - 1, num_rollouts - 1, rewards.device)
    member = (k - 1) / torch.arange(num_rollouts, device=rewards.device).clamp(min=1).double()  # [N]; l = 1: F is 0
    fixed = _from_here(drops * (1 + member * delta.cumsum(-1)))
    of_delta = _from_here(drops * (1 - member))
    values = k * (fixed + delta * of_delta)
    return torch.empty_like(values).scatter(-1, order, values)


def _from_here(values: Tensor) -> Tensor:
    """The sum over l >= i.  [P, N] -> [P, N]"""
    return values.flip(-1).cumsum(-1).flip(-1)


def _deltas(rewards: Tensor, ratios: Tensor | None) -> Tensor:
    """Ratios minus one, in double.  [P, N]"""
    if ratios is None:
        return torch.zeros_like(rewards, dtype=torch.double)
    if ratios.shape != rewards.shape:
        raise ValueError(f"ratios of shape {tuple(ratios.shape)} must be of the rewards' shape {tuple(rewards.shape)}")
    outside = ratios[~((ratios >= 0) & ratios.isfinite())]
    if outside.numel():
        raise ValueError(f"a ratio of {outside[0].item():g} must be finite and at least 0")
    return ratios.to(rewards.device).double() - 1


def best_minus_second(rewards: Tensor, std: bool = False) -> Tensor:
    """r_max - r_second for the best rollout, 0 for the others.  [P, N] -> [P, N] double

    std: divide by the group's standard deviation, sum of squares over N - 1.
    """
    rewards = rewards.double()
    values, indices = rewards.topk(2, -1)  # [P, 2]
    lead = values[:, :1] - values[:, 1:]  # [P, 1]
    if std:
        lead = torch.where(lead > 0, lead / rewards.std(-1, keepdim=True), 0.0)
    return torch.zeros_like(rewards).scatter(-1, indices[:, :1], lead)


def pass_k_without_sigma(passed: Tensor, k: int) -> Tensor:
    """Eqs. 14-15 of arXiv 2508.10751 before their division by sigma.  [P, N] bool -> [P, N] double

    With f the all-fail probability: passes get 1 - mean = f, failures f - C(N_neg - 1, k - 1) / C(N - 1, k - 1)
    = -f N_pos / N_neg.
    """
    fail = all_fail_probability(passed, k)  # [P, 1]
    num_pos = passed.sum(-1, keepdim=True)  # [P, 1]
    num_neg = passed.shape[-1] - num_pos  # [P, 1]
    return torch.where(passed, fail, -fail * num_pos / num_neg)


def rloo_k(rewards: Tensor, k: int) -> Tensor:
    """k (1 - mean r)^(k - 1) times RLOO's advantage.  [P, N] -> [P, N] double"""
    weight = k * (1 - rewards.double().mean(-1, keepdim=True)).clamp(min=0) ** (k - 1)  # [P, 1]
    return weight * leave_one_out(rewards)


class MaxKOffPolicy(SubsetEstimator):
    """max@k for rollouts of an older policy, to first order in the ratios (Bagirov et al., 2510.23393).

    A subset of k is weighted by its importance ratio, the product of its members' pi_now / pi_sampled,
    expanded to first order around 1. If all ratios are 1 this is `PKPO(k)`, on the same scale:
    the expected gradient of a mean over rollouts is that of max@k. There is no baseline.
    The weights include the rollout's own ratio: use it with the loss `app.losses.Reinforce`, which is
    -A log pi. A loss that multiplies by the ratio would count it twice.

    Args:
        k: the k of max@k, at most N.

    Assumes ratios near 1, the nearer the larger k is: the expansion drops the products of deltas, of
    which a subset has k (k - 1) / 2 pairs, and a subset's weight is negative if its ratios sum to
    less than k - 1. Rewards may be graded.

    Raises:
        ValueError: for a ratio that is negative or not finite.
    """

    requires_importance_ratios = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return max_k_off_policy(rollouts.rewards, rollouts.importance_ratios, self.k)


class BestMinusSecond(AdvantageEstimator):
    """Gives the best rollout its reward minus the second best, the others 0 (Tang et al., 2503.19595).

    verl's `grpo_passk`. k is N: `PKPOLeaveOneOutMinusOne(N)` is N times it, so the expected gradient
    is that of max@N over N. If two share the best reward, the difference is 0 and all advantages
    are 0: with binary rewards a problem has a gradient only if exactly one rollout passes.

    Args:
        std: divide by the group's standard deviation over N - 1, as verl does by default.
            Off here, because the paper's estimate is unbiased without it. verl adds 1e-6 to the
            deviation; here nothing is added, as the deviation is not 0 if the best reward is above the second.

    Assumes that the rollouts of a problem are independent samples of the policy being updated.
    """

    def __init__(self, std: bool = False) -> None:
        self.std = std

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return best_minus_second(rollouts.rewards, self.std)


class PassKWithoutSigma(SubsetEstimator):
    """Pass@k's advantage before its division by sigma, as in ParaGator (arXiv 2603.18886).

    Eqs. 14-15 of arXiv 2508.10751 times sigma: passes get f = C(N_neg, k) / C(N, k), failures
    -f N_pos / N_neg. Rows sum to zero. It is (N - k) / (N k) times `PKPOLeaveOneOut(k)`, so the expected
    gradient is (1 / k - 1 / N) times that of Pass@k: the same direction for every problem. That of
    `PassK` may differ, since its sigma depends on the samples.

    Args:
        k: the k of Pass@k, at most N; k = N gives zero advantages.

    Assumes binary rewards, and independent samples of the policy being updated.
    """

    binary = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return pass_k_without_sigma(rollouts.passed, self.k)


class RLOOK(AdvantageEstimator):
    """RLOO times the slope of Pass@k, k (1 - c / N)^(k - 1) (Mahdavi et al., 2025).

    A_i = k (1 - c / N)^(k - 1) (r_i - mean of the others), from
    grad Pass@k = k (1 - p)^(k - 1) grad p with the pass rate c / N as p. The rate includes rollout i
    itself, so the estimate is biased at finite N; the bias vanishes as N grows. In exchange the factor
    is positive up to c = N - 1, and k may exceed N. k = 1 is RLOO.

    Args:
        k: the k of Pass@k.

    Assumes binary rewards, and independent samples of the policy being updated.
    """

    binary = True

    def __init__(self, k: int = 8) -> None:
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        self.k = k

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return rloo_k(rollouts.rewards, self.k)
