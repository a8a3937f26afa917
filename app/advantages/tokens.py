"""Changes to finished advantages: a bonus for uncertain tokens, a penalty for length, a weight on positive ones."""

from __future__ import annotations

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, Wrapper
from app.advantages.pass_one import PassOne
from app.passk import centred
from app.types import Rollouts


def entropy_bonus(advantages: Tensor, entropies: Tensor, alpha: float, kappa: float) -> Tensor:
    """A + min(alpha H, |A| / kappa), of arXiv 2506.14758.  [.., T] or [.., 1], [.., T] -> [.., T] double

    With kappa above 1 no advantage changes its sign, and zero stays zero. Rounding may leave the
    entropy of a certain token just below 0; it counts as 0.
    """
    advantages, entropies = advantages.double(), entropies.double().clamp(min=0)
    return advantages + torch.minimum(alpha * entropies, advantages.abs() / kappa)


def overlong_penalty(lengths: Tensor, max_tokens: int, margin: int) -> Tensor:
    """0 up to max_tokens - margin tokens, then linearly down to -1 at max_tokens and beyond.  [..] -> [..] double"""
    return -((lengths.double() - (max_tokens - margin)) / margin).clamp(0, 1)


class EntropyBonusAdvantage(Wrapper):
    """A bonus for tokens of high entropy (Cheng et al., arXiv 2506.14758).  -> [P, N, T]

    A_t + min(alpha H_t, |A_t| / kappa), H_t being the entropy in nats of the distribution that the
    token was sampled from, a constant to the gradient. In a passing response uncertain tokens are
    pushed up harder, in a failing one pushed down less. Assumes entropies as sampled by the policy
    that is trained; a problem without advantages gets none, and rows no longer sum to zero.

    Args:
        of: the estimator that is wrapped; defaults to `PassOne`.
        alpha: weight of the entropy; 0 changes nothing.
        kappa: bounds the bonus by a share 1 / kappa of the advantage, so that no sign changes.
    """

    requires = ("entropies",)

    def __init__(self, of: AdvantageEstimator | None = None, alpha: float = 0.4, kappa: float = 2.0) -> None:
        if not 0 <= alpha < float("inf"):
            raise ValueError(f"alpha={alpha} must be a finite number of at least 0")
        if not kappa > 1:
            raise ValueError(f"kappa={kappa} must be above 1")
        super().__init__(of or PassOne())
        self.alpha, self.kappa = alpha, kappa

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        entropies = rollouts.padded("entropies")
        assert entropies is not None
        of_tokens = advantages if advantages.ndim == 3 else advantages[..., None]
        raised = entropy_bonus(of_tokens, entropies.to(advantages.device), self.alpha, self.kappa)
        return raised * rollouts.mask.to(advantages.device)


class SoftOverlong(Wrapper):
    """DAPO's soft punishment of long responses, as a separate term (Yu et al., arXiv 2503.14476).

    The penalty falls from 0 at max_tokens - margin tokens to -1 at max_tokens. DAPO adds it to the
    reward. Here the estimator keeps the reward it was given, and the penalty, less its mean over
    the problem, is added to the advantage. As a reward it would be graded and below 0, where Pass@k
    has no meaning: a long correct response would not pass, and a subset's best would be decided by
    length. So with `PassOne` the difference from DAPO is the division by the standard deviation,
    which there has the penalty in it and here leaves it out. As in DAPO, length teaches
    where all rollouts pass or all fail. Assumes advantages of the order of 1.

    Args:
        of: the estimator that is wrapped; defaults to `PassOne`.
        max_tokens: of a response, its stop token included; not more than `max_new_tokens`, or
            the full penalty is never met.
        margin: tokens before it over which the penalty grows.
    """

    def __init__(self, of: AdvantageEstimator | None = None, *, max_tokens: int, margin: int) -> None:
        if not 0 < margin <= max_tokens:
            raise ValueError(f"margin={margin} must lie between 1 and max_tokens={max_tokens}")
        super().__init__(of or PassOne())
        self.max_tokens, self.margin = max_tokens, margin

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        term = self._term(rollouts).to(advantages.device)
        return advantages + (term if advantages.ndim == 2 else term[..., None])

    def informative(self, rollouts: Rollouts) -> Tensor:
        return self.of.informative(rollouts) | self._term(rollouts).ne(0).any(-1)

    def _term(self, rollouts: Rollouts) -> Tensor:
        """[P, N]"""
        return centred(overlong_penalty(rollouts.lengths, self.max_tokens, self.margin))


class WeightedPositives(Wrapper):
    """Positive advantages times a weight below 1: mostly failures are trained on (Zhu et al., arXiv 2506.01347).

    The paper's W-REINFORCE weighs rewards of +1 by 0.1 and leaves those of -1, without a mean taken
    off, so there a problem that always fails teaches too. On centred advantages, such as those of
    `PassOne`, it teaches nothing. Assumes that wherever the other estimator teaches, some advantages
    are negative.

    Args:
        of: the estimator that is wrapped; defaults to `PassOne`.
        weight: of positive advantages; 1 changes nothing, 0 learns from failures alone.
    """

    def __init__(self, of: AdvantageEstimator | None = None, weight: float = 0.1) -> None:
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight={weight} must be a finite number of at least 0")
        super().__init__(of or PassOne())
        self.weight = weight

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        return torch.where(advantages > 0, self.weight * advantages, advantages)
