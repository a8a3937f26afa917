"""A quantile of a problem's rewards as baseline (QAE); weights by recent pass rates (CurveRL)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.distributed.processes import gather_over_processes
from app.passk import centred
from app.types import Rollouts


def quantile_advantage(rewards: Tensor, level: float) -> Tensor:
    """(r - Q) / std, with Q the `level` quantile of the rewards.  [.., N] -> [.., N] double

    Q is the smallest reward r with at least a share `level` of the rewards at most r. The std is that of the
    population, as in Eq. 3; zero if all rewards are equal.
    """
    rewards = rewards.double()
    place = max(ceil(level * rewards.shape[-1] - 1e-9), 1) - 1
    baseline = rewards.sort(-1).values[..., place, None]
    std = centred(rewards).square().mean(-1, keepdim=True).sqrt()
    return torch.where(std > 0, (rewards - baseline) / std, 0.0)


class QAE(AdvantageEstimator):
    """Quantile Advantage Estimation, GRPO with a quantile instead of the mean (Wu et al., 2509.22611).

    With rewards of 0 and 1 and the pass rate p, the quantile of level K is 0 if p <= 1 - K, else 1: on hard
    problems only passing rollouts have an advantage, 1 / std, on easy ones only failing ones, -1 / std. As
    A_pos - A_neg = 1 / std in both, w(p) is for many rollouts that of Pass@1; only its division among rollouts differs.

    The authors' code interpolates between two rewards if K (N - 1) is no integer; this is the definition.

    Args:
        level: K of the quantile, in (0, 1); 0.4 in the source.
    """

    def __init__(self, level: float = 0.4) -> None:
        if not 0 < level < 1:
            raise ValueError(f"level={level} must lie between 0 and 1")
        self.level = level

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return quantile_advantage(rollouts.rewards, self.level)


def reverse_hazard(rates: Tensor, reference: Tensor, num_rollouts: int) -> Tensor:
    """f / F of a pass rate, by a histogram of reference rates; 0 outside (0, 1).  [P], [R] -> [P]

    f is the share of the reference in the rate's bin, F the share in that bin or below.
    """
    bins = num_rollouts + 1
    bin_of = lambda values: (values * bins + 1e-9).floor().long().clamp(0, bins - 1)  # noqa: E731
    mass = bin_of(reference).bincount(minlength=bins).double()
    weights = torch.where(mass > 0, mass / mass.cumsum(0).clamp(min=1), 0.0)
    return torch.where((rates > 0) & (rates < 1), weights[bin_of(rates)], 0.0)


class CurveRL(AdvantageEstimator):
    """r - mean, times f / F of the pass rate among recent problems (Sun et al., 2605.24331, Algorithm 1).

    f is the density and F the distribution function of the pass rates strictly between 0 and 1 in the last batches,
    of all processes: a rate has a large weight if it is common and few are lower. The reference of the first iteration
    is its own rates. If all rates are equally frequent the weight is 1 / c, that of MaxRL.

    `observe` counts a batch, once per iteration and on all processes together, for later iterations.

    Args:
        batches: number of batches in the reference, t_0 in the source, at least 0; 0: the batch itself.
    """

    binary = True

    def __init__(self, batches: int = 10) -> None:
        if batches < 0:
            raise ValueError(f"batches={batches} must be at least 0")
        self.batches = batches
        self._window: list[list[float]] = []  # the pass rates of each batch but the current one
        self._present: list[float] | None = None

    def estimate(self, rollouts: Rollouts) -> Tensor:
        rates = rollouts.rewards.double().mean(-1)  # [P]
        known = [rate for batch in self._window for rate in batch] or self._present
        reference = _inside(rates) if known is None else torch.tensor(known, dtype=torch.double, device=rates.device)
        weights = reverse_hazard(rates, reference, rollouts.rewards.shape[-1])
        return weights[:, None] * centred(rollouts.rewards)

    def informative(self, rollouts: Rollouts) -> Tensor:
        """Problems whose rewards differ, for any reference.  -> [P], bool"""
        self.check_rewards(rollouts.rewards)
        return centred(rollouts.rewards).ne(0).any(-1)

    def observe(self, rollouts: Rollouts) -> None:
        """Add one iteration's pass rates of all processes to the window, from scored answers."""
        self.check_rollouts(rollouts)
        if self._present is not None:
            batches = [*self._window, self._present]
            self._window = batches[max(len(batches) - self.batches, 0) :]
        scored = rollouts.scored.sum(-1)
        rates = (rollouts.passed.sum(-1).double() / scored)[scored > 0]
        self._present = sorted(gather_over_processes(_inside(rates))[0].tolist())

    def state_dict(self) -> dict[str, Any]:
        return {"window": [list(batch) for batch in self._window], "present": self._present}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._window, self._present = [list(batch) for batch in state["window"]], state["present"]


def _inside(rates: Tensor) -> Tensor:
    """The rates strictly between 0 and 1."""
    return rates[(rates > 0) & (rates < 1)]
