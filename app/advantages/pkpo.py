"""PKPO (Walder and Karkhanis, arXiv 2505.15201): unbiased policy gradients of Pass@k and max@k.

Sort a problem's rewards, g_1 <= .. <= g_N. The best reward of a subset is g_N minus the gaps
g_(l+1) - g_l above it, and gap l is above it exactly if the whole subset is among the l worst.
So each estimate is a cumulative sum of gaps, each times a probability C(l, k - 1) / C(N - 1, k - 1): linear
after the sort, without cancellation, and ties, whose gap is 0, may be sorted in any order.

Scale: the paper sums its weights s_i over the N samples. A loss here is a mean over rollouts, so an
advantage is N s_i, and the expected gradient is that of max@k itself: with binary rewards
k (1 - p)^(k - 1) grad p. At k = 1 this is REINFORCE or RLOO.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from app.advantages.pass_k import SubsetEstimator
from app.advantages.plain import leave_one_out
from app.types import Rollouts


def pkpo(rewards: Tensor, k: int) -> Tensor:
    """N s_i (Eqs. 19-21): k times the mean maximum of the k-subsets with i.  [P, N] -> [P, N] double

    The other k - 1 are among l rollouts that include i with probability C(l - 1, k - 1) / C(N - 1, k - 1).
    """
    _check(k, rewards.shape[-1])
    ordered, order = rewards.double().sort(-1)
    return _unsorted(k * (ordered[:, -1:] - _shortfall(ordered, k)), order)  # Eqs. 19-21


def pkpo_leave_one_out(rewards: Tensor, k: int) -> Tensor:
    """k times (mean maximum of the k-subsets with i, minus that without i).  [P, N] -> [P, N] double

    The subsets without i are the share (N - k) / N of all, so the difference equals N / (N - k) times
    that from the mean over all subsets, and the mean over all subsets is the mean over i of `pkpo` / k:
    each row sums to zero, and k = 1 is RLOO.
    """
    num_rollouts = rewards.shape[-1]
    _check_spare(k, num_rollouts)
    ordered, order = rewards.double().sort(-1)
    shortfall = _shortfall(ordered, k)  # [P, N]
    advantage = k * num_rollouts / (num_rollouts - k) * (shortfall.mean(-1, keepdim=True) - shortfall)
    return _unsorted(advantage, order)  # Eq. 29, both its sums on the scale of a rollout


def pkpo_leave_one_out_minus_one(rewards: Tensor, k: int) -> Tensor:
    """N s_i^(loo-1) (Eq. 33): k times the mean increase of the maximum by i.  [P, N] -> [P, N] double

    The increase is the sum of the gaps between the best other and i. Gap l is among them if all
    k - 1 others are among the l worst: C(l, k - 1) / C(N - 1, k - 1). At k = 1 there is no other,
    and the baseline is the mean of the N - 1 others: RLOO.
    """
    num_rollouts = rewards.shape[-1]
    _check(k, num_rollouts)
    if k == 1:
        return leave_one_out(rewards)
    ordered, order = rewards.double().sort(-1)
    added = ordered.diff(dim=-1) * all_among(k - 1, num_rollouts - 1, rewards.device)[1:]  # [P, N - 1]
    return _unsorted(k * pad(added.cumsum(-1), (1, 0)), order)  # Eq. 33


def all_among(draws: int, total: int, device: torch.device | None = None) -> Tensor:
    """Probability that `draws` of `total`, not replaced, are among the first l.  -> [total + 1] double

    C(l, draws) / C(total, draws) for l = 0 .. total. From l to l - 1 the factor is (l - draws) / l:
    a product of ratios in [0, 1], which cannot overflow in any order of multiplication.
    """
    first = torch.arange(total, 0, -1, dtype=torch.double, device=device)  # l = total .. 1
    return pad(((first - draws) / first).clamp(min=0).cumprod(0), (1, 0), value=1.0).flip(0)


def _shortfall(ordered: Tensor, k: int) -> Tensor:
    """g_N minus the mean best reward of the subsets of k that contain i.  [P, N], sorted -> [P, N]"""
    missed = ordered.diff(dim=-1) * all_among(k - 1, ordered.shape[-1] - 1, ordered.device)[:-1]  # [P, N - 1]
    return pad(missed.flip(-1).cumsum(-1).flip(-1), (0, 1))


def _unsorted(values: Tensor, order: Tensor) -> Tensor:
    return torch.empty_like(values).scatter(-1, order, values)


def _check(k: int, num_rollouts: int) -> None:
    if not 1 <= k <= num_rollouts:
        raise ValueError(f"k={k} must lie between 1 and the {num_rollouts} rollouts per problem")


def _check_spare(k: int, num_rollouts: int) -> None:
    if not 1 <= k < num_rollouts:
        raise ValueError(
            f"k={k} must lie between 1 and {num_rollouts - 1}: one of the {num_rollouts} rollouts is left out"
        )


class PKPO(SubsetEstimator):
    """PKPO without a baseline (Eqs. 19-21; Eq. 8 for binary rewards): A_i = N s_i.

    k times the mean best reward of the subsets of k that contain the rollout. No advantage is negative,
    and if all rewards equal r each rollout gets k r: unbiased, but with high variance.

    Args:
        k: of Pass@k, at most N.

    Assumes that the rollouts of a problem are independent samples of the policy being updated.
    Rewards may be graded: the objective is then the expected best of k.
    """

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return pkpo(rollouts.rewards, self.k)


class PKPOLeaveOneOut(SubsetEstimator):
    """PKPO minus the mean best of the subsets without the rollout (s^(loo), Eq. 29).

    Rows sum to zero, and k = 1 is RLOO. Eq. 29 takes s_i, a weight in a sum over N samples, minus the mean
    of the others' weights without i, which are weights in a sum over N - 1. Here each is first scaled to
    one rollout, times N and times N - 1: A_i = N s_i - b_i, with b_i k times the mean best of the subsets without i;
    N times the printed form would be N s_i - N / (N - 1) b_i. As b_i does not depend on rollout i both
    are unbiased, but the printed form is not RLOO at k = 1, and it gives every rollout of a
    problem that always passes the advantage -k / (N - 1), which has no signal and adds variance.

    With binary rewards this is k N / (N - k) times `PassKWithoutSigma`: not zero if 0 < c <= N - k.

    Args:
        k: of Pass@k, at most N - 1.

    Assumes that the rollouts of a problem are independent samples of the policy being updated.
    Rewards may be graded: the objective is then the expected best of k.
    """

    def check(self, num_rollouts: int) -> None:
        super().check(num_rollouts)
        _check_spare(self.k, num_rollouts)

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return pkpo_leave_one_out(rollouts.rewards, self.k)


class PKPOLeaveOneOutMinusOne(SubsetEstimator):
    """PKPO minus the best of the same subset without the rollout (s^(loo-1), Eq. 33).

    The form that its authors recommend. A rollout's advantage is its increase of the maximum of k - 1
    others, so none is negative: with binary rewards failures get 0 and passes
    k C(N_neg, k - 1) / C(N - 1, k - 1), which is positive up to c = N - k + 1. At k = 1, for which the
    paper's form has no baseline, this is RLOO.

    Args:
        k: of Pass@k, at most N.

    Assumes that the rollouts of a problem are independent samples of the policy being updated.
    Rewards may be graded: the objective is then the expected best of k.
    """

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return pkpo_leave_one_out_minus_one(rollouts.rewards, self.k)
