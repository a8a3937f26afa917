"""Pass@k advantages for training and Pass@k estimates for evaluation, by one ratio of binomials.

Shapes: P problems, N rollouts of each. All formulas are those of arXiv 2508.10751, computed in double. A k outside 1
to N is a ValueError.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def all_fail_probability(passed: Tensor, k: int) -> Tensor:
    """Probability that k of N rollouts, not replaced, all fail.  [P, N] bool -> [P, 1] double

    C(N_neg, k) / C(N, k), as a product of ratios in [0, 1]: no binomial is computed, so none
    overflows. One minus it is the mean subset reward (Eq. 11) and the unbiased estimate of Pass@k.
    """
    return _all_fail((~passed).sum(-1, keepdim=True), passed.shape[-1], k)


def _all_fail(num_neg: Tensor, num_rollouts: int, k: int) -> Tensor:
    """C(N_neg, k) / C(N, k) from counts.  [.., 1] -> [.., 1] double"""
    if not 1 <= k <= num_rollouts:
        raise ValueError(f"k={k} must lie between 1 and the {num_rollouts} rollouts per problem")
    num_neg = num_neg.double()
    ratio = torch.ones_like(num_neg)
    for drawn in torch.arange(k, device=num_neg.device, dtype=torch.double).split(1024):  # bounds memory
        ratio = ratio * ((num_neg - drawn).clamp(min=0) / (num_rollouts - drawn)).prod(-1, keepdim=True)
    return ratio


def pass_at_k(passed: Tensor, k: int) -> Tensor:
    """Unbiased Pass@k of each problem.  [P, N] bool -> [P]"""
    return 1 - all_fail_probability(passed, k).squeeze(-1)


def normalise(rewards: Tensor) -> Tensor:
    """(R - mean) / std over the last axis, zero if all are equal.  [.., N] -> [.., N] double

    Eqs. 1-3 with the population standard deviation: the printed Eq. 2 has 1/N outside the root,
    but the plotted curve and Eq. 22 have it inside.
    """
    centred = rewards.double() - rewards.double().mean(-1, keepdim=True)
    std = centred.square().mean(-1, keepdim=True).sqrt()
    equal = rewards.amax(-1, keepdim=True) == rewards.amin(-1, keepdim=True)
    return torch.where(equal, 0.0, centred / std)


def centred(rewards: Tensor) -> Tensor:
    """R - mean over the last axis, exactly zero if all are equal.  [.., N] -> [.., N] double

    The largest reward is subtracted first: the mean shifts by the same, and equal rewards cancel without rounding.
    """
    below = rewards.double() - rewards.double().amax(-1, keepdim=True)
    return below - below.mean(-1, keepdim=True)


def pass_k_advantage(passed: Tensor, k: int) -> Tensor:
    """Analytic Pass@k advantage of every rollout (Eqs. 11-15).  [P, N] bool -> [P, N] double

    With f the all-fail probability, sigma = sqrt(f (1 - f)), so Eq. 14 is sqrt(f / (1 - f)).
    C(N_neg - 1, k - 1) / C(N - 1, k - 1) equals f N / N_neg, which turns Eq. 15 into
    -A_pos N_pos / N_neg, so every row sums to zero.
    A problem whose subsets all pass (N_neg < k) or all fail has sigma = 0 and zero advantages.
    """
    num_rollouts, num_pos = passed.shape[-1], passed.sum(-1, keepdim=True)  # [P, 1]
    if num_rollouts <= TABLED:
        negative, positive = _pass_k_table(num_rollouts, k).to(passed.device)[:, num_pos]  # [P, 1] twice
    else:
        negative, positive = _pass_k_of_counts(num_pos, num_rollouts, k)
    return torch.where(passed, positive, negative)


TABLED = 1024
"""Up to this number of rollouts, the advantages for all counts of passes are computed once and looked up."""


@lru_cache(maxsize=64)
def _pass_k_table(num_rollouts: int, k: int) -> Tensor:
    """A_neg and A_pos for every N_pos = 0 .. N; advantages depend on nothing else.  -> [2, N + 1] double"""
    return _pass_k_of_counts(torch.arange(num_rollouts + 1)[:, None], num_rollouts, k)[..., 0]


def _pass_k_of_counts(num_pos: Tensor, num_rollouts: int, k: int) -> Tensor:
    """A_neg and A_pos of problems with c passes.  [P, 1] -> [2, P, 1] double"""
    num_neg = num_rollouts - num_pos
    fail = _all_fail(num_neg, num_rollouts, k)  # [P, 1]

    positive = (fail / (1 - fail)).sqrt()  # Eq. 14
    negative = -positive * num_pos / num_neg  # Eq. 15
    informative = (fail > 0) & (fail < 1)
    return torch.where(informative, torch.stack([negative, positive]), 0.0)


def full_sampling_advantage(rewards: Tensor, k: int) -> Tensor:
    """Pass@k advantages of N // k disjoint subsets (Algorithm 1).  [P, N] -> [P, N] double

    A subset's reward is the maximum of its rewards. A rollout gets its subset's normalised reward; the last N mod k
    rollouts are in no subset and get zero.
    """
    _check_k(rewards, k)
    num_subsets = rewards.shape[-1] // k
    subsets = rewards[:, : num_subsets * k].unflatten(-1, (num_subsets, k)).amax(-1)  # [P, N // k], Eq. 5
    advantage = normalise(subsets).repeat_interleave(k, -1)
    return torch.nn.functional.pad(advantage, (0, rewards.shape[-1] - num_subsets * k))


def bootstrap_advantage(rewards: Tensor, members: Tensor, reduce: str = "sum") -> Tensor:
    """Sum of the advantages of all drawn subsets of k that contain a rollout (Algorithm 2, Eq. 6).

    rewards: [P, N]; members: [P, M, k], the indices of M subsets -> [P, N] double. The paper's Eq. 6
    is the "sum", whose expectation at M = N subsets is about k times the analytic advantage; "mean"
    divides by the number of subsets a rollout is in, which is the scale of Eqs. 14-15.
    """
    _check_k(rewards, members.shape[-1])
    subsets = rewards.gather(-1, members.flatten(1)).view(members.shape).amax(-1)  # [P, M]
    shares = normalise(subsets).repeat_interleave(members.shape[-1], -1)  # [P, M * k]
    zeros = torch.zeros(rewards.shape, dtype=torch.double, device=rewards.device)
    total = zeros.scatter_add(-1, members.flatten(1), shares)  # Eq. 6
    if reduce == "sum":
        return total
    times = zeros.scatter_add(-1, members.flatten(1), torch.ones_like(shares))
    return total / times.clamp(min=1)


def _check_k(rewards: Tensor, k: int) -> None:
    if not 1 <= k <= rewards.shape[-1]:
        raise ValueError(f"k={k} must lie between 1 and the {rewards.shape[-1]} rollouts per problem")
