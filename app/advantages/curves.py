"""An estimator's advantages as functions of the number of a problem's rollouts that pass.

The paper analyses its designs by these curves (Section 4.1, Figures 9 and 18). They are computed by calling the
estimator, so any estimator has them.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.types import Completion, Problem, Prompt, Rollouts


@dataclass(frozen=True)
class Curves:
    """Mean advantages for c = 0 .. N passing rollouts out of N.

    Attributes:
        positive: `[N + 1]`, the mean advantage of a passing rollout; 0 at c = 0.
        negative: `[N + 1]`, the mean advantage of a failing rollout; 0 at c = N.
    """

    positive: Tensor
    negative: Tensor

    @property
    def num_rollouts(self) -> int:
        return len(self.positive) - 1

    @property
    def pass_rates(self) -> Tensor:
        """c / N.  [N + 1]"""
        return torch.arange(self.num_rollouts + 1).double() / self.num_rollouts

    @property
    def eta(self) -> Tensor:
        """Sum of absolute advantages of a problem (Eq. 16).  [N + 1]"""
        passes = torch.arange(self.num_rollouts + 1).double()
        return passes * self.positive.abs() + (self.num_rollouts - passes) * self.negative.abs()

    def share_informative(self, p: Tensor) -> Tensor:
        """The probability that N rollouts have a non-zero advantage, by the pass rate.  [..] -> [..] double"""
        return self.expected(self.positive.ne(0) | self.negative.ne(0), p)

    def expected_eta(self, p: Tensor) -> Tensor:
        """The expected sum of absolute advantages, by the pass rate.  [..] -> [..] double"""
        return self.expected(self.eta, p)

    def expected(self, values: Tensor, p: Tensor) -> Tensor:
        """The binomial mean over c of N passes of a value for each c.  [N + 1], p [..] -> [..] double"""
        passes = torch.distributions.Binomial(self.num_rollouts, p.double()[..., None])
        chances = passes.log_prob(torch.arange(self.num_rollouts + 1).double()).exp()  # [.., N + 1]
        return (chances * values.double()).sum(-1)

    def weight(self, p: Tensor) -> Tensor:
        """w(p): the expected gradient of the mean loss is -w(p) grad p.  pass rates [..] -> [..] double

        With i the number of passes among the other N - 1, binomially distributed,
        w(p) = E[A_pos(i + 1)] - E[A_neg(i)], the advantage of passing over failing.
        """
        others = torch.distributions.Binomial(self.num_rollouts - 1, p.double()[..., None])
        chances = others.log_prob(torch.arange(self.num_rollouts).double()).exp()  # [.., N]
        return (chances * (self.positive[1:] - self.negative[:-1])).sum(-1)


def curves(estimator: AdvantageEstimator, num_rollouts: int, repeats: int = 64) -> Curves:
    """The curves of an estimator: mean advantages for each c over `repeats` problems in random order.

    All answers are one token with equal log-probabilities and entropies, and every problem is marked to be explored.
    The estimator's state is unchanged.
    """
    passes = torch.arange(num_rollouts + 1).repeat_interleave(repeats)  # [P]
    ranks = torch.rand(len(passes), num_rollouts, generator=torch.Generator().manual_seed(0)).argsort(-1).argsort(-1)
    passed = ranks < passes[:, None]  # [P, N]
    token = torch.zeros(1, dtype=torch.long)
    answer = Completion("", token, "stop", sampler_logprobs=torch.zeros(1), entropies=torch.zeros(1))
    rollouts = Rollouts(
        problems=[_Nameless(str(index)) for index in range(len(passes))],
        prompts=[token] * len(passes),
        completions=[[answer] * num_rollouts] * len(passes),
        rewards=passed.double(),
        explore=torch.ones(len(passes), dtype=torch.bool),
    )
    advantages = deepcopy(estimator)(rollouts).double()
    advantages = advantages if advantages.ndim == 2 else advantages.mean(-1)  # [P, N]
    return Curves(_mean_by(advantages, passed, num_rollouts), _mean_by(advantages, ~passed, num_rollouts))


def _mean_by(advantages: Tensor, chosen: Tensor, num_rollouts: int) -> Tensor:
    """Mean over the chosen rollouts of the problems with c passes.  [P, N] twice -> [N + 1]"""
    total = (advantages * chosen).sum(-1).view(num_rollouts + 1, -1).sum(-1)
    return total / chosen.sum(-1).view(num_rollouts + 1, -1).sum(-1).clamp(min=1)


@dataclass(frozen=True)
class _Nameless(Problem):
    """A problem without content, different from all others."""

    key: str
    prompt: Prompt = ""
    solution: str = ""
    label: str = ""

    def score(self, response: str) -> float:
        return 0.0
