"""Base classes of advantage estimators, and of those that wrap another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from app.types import Rollouts


class AdvantageEstimator(ABC):
    """Rollouts -> [P, N], or [P, N, T] if tokens differ.  Independent of the Trainer.

    A subclass implements `estimate`; its input has been validated.

    Attributes:
        binary: whether rewards must be 0 or 1; False accepts graded rewards.
        requires: fields of a completion that it needs, such as "sampler_logprobs"; demonstrations have none.
        requires_importance_ratios: whether it weights rollouts by their importance ratio; the module then recomputes
            advantages before each update of an iteration but the first.
    """

    binary: bool = False
    requires: tuple[str, ...] = ()
    requires_importance_ratios: bool = False

    @abstractmethod
    def estimate(self, rollouts: Rollouts) -> Tensor:
        """The advantage of every rollout; zero for no gradient."""

    def __call__(self, rollouts: Rollouts) -> Tensor:
        """Validate the rollouts, then `estimate`.

        Raises:
            ValueError: for rewards that are not [P, N] numbers in [0, 1], or graded rewards if `binary`; too few
                rollouts; a completion without a field that the estimator requires; an estimate of another shape.
        """
        self.check_rollouts(rollouts)
        if rollouts.scored.all():
            advantages = self.estimate(rollouts.with_own_rewards())
        else:
            advantages = self._estimate_scored(rollouts)
        self._check_shape(advantages, rollouts)
        return advantages

    def check_rollouts(self, rollouts: Rollouts) -> None:
        """Raise ValueError for rewards outside the estimator's domain, or completions without required fields."""
        self.check_rewards(rollouts.rewards)
        for name in self.requires:
            if any(getattr(row, name) is None for row in rollouts.rows):
                raise ValueError(f"{type(self).__name__} requires {name}: these completions were sampled without")

    def _check_shape(self, advantages: Tensor, rollouts: Rollouts) -> None:
        """Raise ValueError unless `estimate` gave [P, N], or [P, N, T] with T the longest response."""
        shape = tuple(rollouts.rewards.shape)
        right = advantages.shape == shape if advantages.ndim == 2 else advantages.shape[:-1] == shape
        if advantages.ndim == 3 and right and rollouts.completions:
            right = advantages.shape[-1] == int(rollouts.lengths.max())
        if not right:
            raise ValueError(
                f"{type(self).__name__}.estimate gave advantages of shape {tuple(advantages.shape)}: "
                f"it must be [P, N] = {shape}, or [P, N, T] with a number for each token of the longest response"
            )

    def _estimate_scored(self, rollouts: Rollouts) -> Tensor:
        """The estimate from each problem's scored answers; 0 for unscored ones and for problems with too few."""
        parts = rollouts.split_by_num_scored()
        estimates = [(places, self(part)) for places, part in parts if self.serves(part.rewards.shape[1])]
        width = [int(rollouts.lengths.max())] if any(estimate.ndim == 3 for _, estimate in estimates) else []
        advantages = torch.zeros(*rollouts.rewards.shape, *width, dtype=torch.double, device=rollouts.rewards.device)
        for places, estimate in estimates:
            where = torch.zeros_like(rollouts.scored)
            where[places] = rollouts.scored[places]
            rows = estimate.flatten(0, 1)
            advantages[where] = (pad(rows, (0, width[0] - rows.shape[1])) if width else rows).to(advantages)
        return advantages

    def serves(self, num_rollouts: int) -> bool:
        """Whether this number of rollouts per problem is enough."""
        try:
            self.check(num_rollouts)
        except ValueError:
            return False
        return True

    def observe(self, rollouts: Rollouts) -> None:  # noqa: B027 - most have no state
        """Update the estimator's state from an iteration's rollouts, before `estimate`.

        The module calls it once an iteration, on all processes together; `estimate` may then be called several times.
        """

    def check(self, num_rollouts: int) -> None:
        """Raise ValueError, before any sampling, if this number of rollouts per problem is not enough."""
        if num_rollouts < 2:
            raise ValueError(f"{type(self).__name__} compares rollouts: N={num_rollouts} must be at least 2")

    def set_k(self, k: int) -> None:
        """Estimate with this k from now on; ValueError for an estimator without one, and for a k below 1."""
        if not hasattr(self, "k"):
            raise ValueError(f"{self!r} has no k")
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        self.k = k

    def check_rewards(self, rewards: Tensor) -> None:
        """Raise ValueError for rewards [P, N] outside the estimator's domain; NaN is an unscored answer."""
        if rewards.ndim != 2:
            raise ValueError(f"rewards of shape {tuple(rewards.shape)} must be [problems, rollouts]")
        self.check(rewards.shape[-1])
        outside = rewards[(rewards < 0) | (rewards > 1)]
        if outside.numel():
            raise ValueError(f"a reward of {outside[0].item():g} must lie in [0, 1]")
        graded = rewards[(rewards > 0) & (rewards < 1)]
        if self.binary and graded.numel():
            name, value = type(self).__name__, graded[0].item()
            raise ValueError(
                f"{name} takes binary rewards: a reward of {value:g} must be 0 or 1; wrap it in app.advantages.Binary"
            )

    def informative(self, rollouts: Rollouts) -> Tensor:
        """Which problems have a non-zero advantage: those outside the estimator's dead zone.  -> [P], bool

        For Pass@k these are the problems with 0 < c <= N - k passes.
        """
        return self(rollouts).ne(0).flatten(1).any(-1)

    def state_dict(self) -> dict[str, Any]:
        """The state that persists over iterations; empty for most estimators."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - most have no state
        """Restore the state of `state_dict`."""

    def __repr__(self) -> str:
        names = [name for name in signature(type(self)).parameters if hasattr(self, name)]
        arguments = ", ".join(f"{name}={getattr(self, name)}" for name in names)
        return f"{type(self).__name__}({arguments})"


class Wrapper(AdvantageEstimator):
    """Base class of estimators that wrap another.

    Args:
        of: the wrapped estimator.
    """

    def __init__(self, of: AdvantageEstimator) -> None:
        self.of = of
        self.binary = of.binary
        self.requires = tuple(dict.fromkeys((*type(self).requires, *of.requires)))
        self.requires_importance_ratios = of.requires_importance_ratios

    def check(self, num_rollouts: int) -> None:
        self.of.check(num_rollouts)

    def set_k(self, k: int) -> None:
        self.of.set_k(k)

    def observe(self, rollouts: Rollouts) -> None:
        self.of.observe(rollouts)

    def informative(self, rollouts: Rollouts) -> Tensor:
        """As the wrapped estimator; overridden by wrappers that add or remove zero advantages.  -> [P], bool"""
        return self.of.informative(rollouts)

    def state_dict(self) -> dict[str, Any]:
        return self.of.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.of.load_state_dict(state)


def informative_problems(estimator: AdvantageEstimator, rollouts: Rollouts) -> Tensor:
    """Which problems have a non-zero advantage, by their scored answers.  -> [P], bool"""
    found = torch.zeros(len(rollouts), dtype=torch.bool, device=rollouts.rewards.device)
    for places, part in rollouts.split_by_num_scored():
        if estimator.serves(part.rewards.shape[1]):
            found[places] = estimator.informative(part).to(found.device)
    return found


def per_problem(values: Tensor, like: Tensor) -> Tensor:
    """One number per problem, to multiply advantages [P, N] or [P, N, T].  [P] -> [P, 1] or [P, 1, 1]"""
    return values.to(like).view(-1, *[1] * (like.ndim - 1))


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless the value lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value} must lie in [0, 1]")


def choose(where: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """torch.where over problems.  [P] bool, twice [P, N] or [P, N, T]"""
    if yes.ndim < no.ndim:
        yes = yes[..., None]
    if no.ndim < yes.ndim:
        no = no[..., None]
    return torch.where(per_problem(where, yes).bool(), yes, no)
