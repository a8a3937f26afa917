"""Base class of estimators that combine two others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from app.advantages.base import AdvantageEstimator, per_problem
from app.types import Rollouts


class Pair(AdvantageEstimator):
    """Two estimators, both called with the whole batch.

    Requires the fields that either requires, and has the state of both.

    Args:
        both: the two, by the names of their arguments.
    """

    def __init__(self, **both: AdvantageEstimator) -> None:
        self.both = both
        self.binary = any(each.binary for each in both.values())
        self.requires = tuple(dict.fromkeys(name for each in (type(self), *both.values()) for name in each.requires))
        self.requires_importance_ratios = any(each.requires_importance_ratios for each in both.values())

    def check(self, num_rollouts: int) -> None:
        for each in self.both.values():
            each.check(num_rollouts)

    def set_k(self, k: int) -> None:
        """Set k in both, or in the one that has a k; ValueError if neither has."""
        refused = []
        for each in self.both.values():
            try:
                each.set_k(k)
            except ValueError as error:
                refused.append(error)
        if len(refused) == len(self.both):
            raise ValueError(f"{self!r} has no k") from refused[0]

    def informative(self, rollouts: Rollouts) -> Tensor:
        """Problems that are informative under either estimator.  -> [P], bool"""
        self.check_rewards(rollouts.rewards)
        one, other = (each.informative(rollouts) for each in self.both.values())
        return one | other

    def observe(self, rollouts: Rollouts) -> None:
        for each in self.both.values():
            each.observe(rollouts)

    def state_dict(self) -> dict[str, Any]:
        states = {name: each.state_dict() for name, each in self.both.items()}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, own in state.items():
            self.both[name].load_state_dict(own)


def mix(share: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """share * one + (1 - share) * other, with a share for each problem.  [P], twice [P, N] or [P, N, T]"""
    if one.ndim < other.ndim:
        one = one[..., None]
    if other.ndim < one.ndim:
        other = other[..., None]
    weight = per_problem(share, one)
    return weight * one + (1 - weight) * other
