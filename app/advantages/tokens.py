"""Wrappers of estimators: an entropy bonus, a length penalty, a weight of positive advantages."""

from __future__ import annotations

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, Wrapper
from app.advantages.pass_one import PassOne
from app.passk import centred
from app.types import Rollouts


def entropy_bonus(advantages: Tensor, entropies: Tensor, alpha: float, kappa: float) -> Tensor:
    """A + min(alpha H, |A| / kappa), of arXiv 2506.14758.  [.., T] or [.., 1], [.., T] -> [.., T] double

    With kappa above 1 no advantage changes its sign, and zero remains zero. Rounding may make the
    entropy of a certain token slightly negative; it counts as 0.
    """
    advantages, entropies = advantages.double(), entropies.double().clamp(min=0)
    return advantages + torch.minimum(alpha * entropies, advantages.abs() / kappa)


def overlong_penalty(lengths: Tensor, max_tokens: int, margin: int) -> Tensor:
    """0 to max_tokens - margin tokens, then linear to -1 at max_tokens and above.  [..] -> [..] double"""
    return -((lengths.double() - (max_tokens - margin)) / margin).clamp(0, 1)


class EntropyBonusAdvantage(Wrapper):
    """A bonus for tokens of high entropy (Cheng et al., arXiv 2506.14758).  -> [P, N, T]

    A_t + min(alpha H_t, |A_t| / kappa), with H_t the entropy in nats of the distribution that the
    token was sampled from, without gradient. In a passing response the advantage of uncertain tokens
    is larger, in a failing one less negative. Assumes entropies as sampled by the trained
    policy; zero advantages remain zero, and rows no longer sum to zero.

    Args:
        of: the wrapped estimator; defaults to `PassOne`.
        alpha: weight of the entropy, at least 0; 0 changes nothing.
        kappa: above 1; bounds the bonus by a share 1 / kappa of the advantage, so that no sign changes.
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
    reward. Here the wrapped estimator gets the unchanged reward, and the penalty, minus its mean over
    the problem, is added to the advantage. Rewards with the penalty would be graded and below 0, for which
    Pass@k is not defined: a long correct response would not pass, and length would decide a subset's
    best. So with `PassOne` the difference from DAPO is the division by the standard deviation,
    which includes the penalty there and not here. As in DAPO, length has a gradient also
    if all rollouts pass or all fail. Assumes advantages of the order of 1.

    Args:
        of: the wrapped estimator; defaults to `PassOne`.
        max_tokens: length of a response with the full penalty, its stop token included; if it is above
            `max_new_tokens`, the full penalty never applies.
        margin: number of tokens before it over which the penalty grows, 1 to max_tokens.
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
    """Positive advantages times a weight below 1, to train mostly on failures (Zhu et al., 2506.01347).

    The paper's W-REINFORCE multiplies rewards of +1 by 0.1 and keeps those of -1, without subtracting a
    mean, so there a problem that always fails has a gradient too. With centred advantages, such as those of
    `PassOne`, it has none. Assumes that if the wrapped estimator's advantages of a problem are not all
    zero, some are negative.

    Args:
        of: the wrapped estimator; defaults to `PassOne`.
        weight: factor of positive advantages, at least 0; 1 changes nothing, 0 trains only on failures.
    """

    def __init__(self, of: AdvantageEstimator | None = None, weight: float = 0.1) -> None:
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight={weight} must be a finite number of at least 0")
        super().__init__(of or PassOne())
        self.weight = weight

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        return torch.where(advantages > 0, self.weight * advantages, advantages)
