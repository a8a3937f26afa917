"""Neighbours of PKPO: max@k off-policy, the best rollout alone, Pass@k without its deviation, RLOO re-weighted."""

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
    """k times the mean, over the subsets of k that hold i, of best reward times ratio of the subset.  [P, N] -> [P, N]

    The ratio of a subset, the product of 1 + delta_j over its members, to first order: 1 + sum of delta_j.
    Sort g_1 <= .. <= g_N and put g_(N+1) = 0: the best of a subset is the sum of the drops g_l - g_(l+1)
    over all l for which the subset lies among the first l, l = N included. Subsets of i with k - 1 others
    do with the chance F_l = C(l - 1, k - 1) / C(N - 1, k - 1), and each of the l - 1 others is then a
    member with the chance (k - 1) / (l - 1). So, with D_l the sum of the first l deltas,

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
    """Ratios less one, in double.  [P, N]"""
    if ratios is None:
        return torch.zeros_like(rewards, dtype=torch.double)
    if ratios.shape != rewards.shape:
        raise ValueError(f"ratios of shape {tuple(ratios.shape)} must be of the rewards' shape {tuple(rewards.shape)}")
    outside = ratios[~((ratios >= 0) & ratios.isfinite())]
    if outside.numel():
        raise ValueError(f"a ratio of {outside[0].item():g} must be finite and at least 0")
    return ratios.to(rewards.device).double() - 1


def best_minus_second(rewards: Tensor, std: bool = False) -> Tensor:
    """The best rollout takes r_max - r_second, the others 0.  [P, N] -> [P, N] double

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

    With f the all-fail probability: passes take 1 - mean = f, failures f - C(N_neg - 1, k - 1) / C(N - 1, k - 1)
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
    """max@k for rollouts of an older policy (Bagirov et al., arXiv 2510.23393): weights to first order in the ratios.

    A subset of k counts with its importance ratio, the product of its members' pi_now / pi_sampled, which
    is expanded to first order around 1. Where all ratios are 1 this is `PKPO(k)`, on the same scale:
    the expected gradient of a mean over rollouts is that of max@k. There is no baseline.
    The weights hold the rollout's own ratio: pair it with the loss `app.losses.Reinforce`, which is
    -A log pi. A loss that multiplies by the ratio would count it twice.

    Args:
        k: of max@k, at most N.

    Assumes ratios near 1, the nearer the larger k is: what is dropped are the products of deltas, of
    which a subset has k (k - 1) / 2 pairs, and a subset's weight turns negative where its ratios sum to
    less than k - 1. Rewards may be graded.

    Raises:
        ValueError: for a ratio that is negative or not finite.
    """

    requires_importance_ratios = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return max_k_off_policy(rollouts.rewards, rollouts.importance_ratios, self.k)


class BestMinusSecond(AdvantageEstimator):
    """The best rollout gets its reward minus the second best, the others 0 (Tang et al., arXiv 2503.19595).

    verl's `grpo_passk`. k is N: `PKPOLeaveOneOutMinusOne(N)` is N times it, so the expected gradient
    is that of max@N over N. If two share the best reward, the difference is 0 and all advantages
    are 0: with binary rewards a problem has a gradient only if exactly one rollout passes.

    Args:
        std: divide by the group's standard deviation over N - 1, as verl does by default.
            Off here, because the paper's estimate has no bias without it. verl adds 1e-6 to the
            deviation; here nothing is added, as a best reward above the second means that it is not 0.

    Assumes that the rollouts of a problem are independent samples of the policy being updated.
    """

    def __init__(self, std: bool = False) -> None:
        self.std = std

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return best_minus_second(rollouts.rewards, self.std)


class PassKWithoutSigma(SubsetEstimator):
    """Pass@k's advantage before its division by sigma, as ParaGator has it (arXiv 2603.18886).

    Eqs. 14-15 of arXiv 2508.10751 times sigma: passes take f = C(N_neg, k) / C(N, k), failures
    -f N_pos / N_neg. Rows sum to zero. It is (N - k) / (N k) times `PKPOLeaveOneOut(k)`, so the expected
    gradient is (1 / k - 1 / N) times that of Pass@k: the same direction for every problem, which
    `PassK`, divided by a sigma that depends on the samples, can't promise.

    Args:
        k: of Pass@k, at most N; k = N teaches nothing.

    Assumes binary rewards, and independent samples of the policy being updated.
    """

    binary = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return pass_k_without_sigma(rollouts.passed, self.k)


class RLOOK(AdvantageEstimator):
    """RLOO times the slope of Pass@k (Mahdavi et al., 2025): A_i = k (1 - c / N)^(k - 1) (r_i - mean of the others).

    grad Pass@k = k (1 - p)^(k - 1) grad p, with the pass rate c / N put in for p. The rate holds rollout i
    itself, so the estimate is biased at finite N, with a bias that vanishes as N grows. In exchange it
    stays positive up to c = N - 1, and k may exceed N. k = 1 is RLOO.

    Args:
        k: of Pass@k.

    Assumes binary rewards, and independent samples of the policy being updated.
    """

    binary = True

    def __init__(self, k: int = 8) -> None:
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        self.k = k

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return rloo_k(rollouts.rewards, self.k)
