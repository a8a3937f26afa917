"""Prefixes of earlier passing answers, with which the next answers to a hard problem begin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Answered:
    """Counts of a problem's group of an iteration.

    Attributes:
        problem: the problem's digest.
        answers: number of scored answers.
        passes: number of passing ones among these.
        passing: `[L]`, int, the tokens of a passing one, with its prefix and without its stop token; None for none.
    """

    problem: str
    answers: int
    passes: int
    passing: Tensor | None


@dataclass(frozen=True, eq=False)
class Steered:
    """The state of a problem whose next answers begin with a part of an earlier one.

    Attributes:
        answer: `[L]`, the tokens of a passing answer without its stop token.
        share: the share of the answer with which the next ones begin.
        rate: pass rate of its latest group, with that group's prefix.
        iteration: the iteration of that group.
    """

    answer: Tensor
    share: float
    rate: float
    iteration: int

    @property
    def prefix(self) -> Tensor:
        """The prefix of the next answers.  [l], never the whole answer"""
        return self.answer[: int(self.share * len(self.answer))]


class PrefixReplay:
    """Prefix replay: answers to hard problems continue a prefix of an earlier one, so that half pass.

    After each group of a problem, with its pass rate p,

        share <- clip(share + gain (target - p), 0, longest)

    starting at 0, once an answer has passed: longer after failures, shorter after passes, down to none. A problem is
    removed when its share is 0. All rollouts of a group have the same prefix, which is context: it is not trained on.
    The target of half, and prefixes from the run's own answers outside the loss, are from Prefix Sampling (2605.05112);
    the rule for the share is passk's own, as is the omission of that paper's failing prefixes for easy problems.

    Args:
        target: the target pass rate.
        gain: change of the share per difference of the pass rate from the target.
        longest: the largest share of an answer.
        size: the most problems that are kept, those answered most recently.

    Attributes:
        steered: the states by the problem's digest (`app/draw/record.py`); the same on every process.
    """

    def __init__(self, target: float = 0.5, gain: float = 0.25, longest: float = 0.9, size: int = 1024) -> None:
        for name, value in {"target": target, "longest": longest}.items():
            if not 0 < value < 1:
                raise ValueError(f"{name}={value} must lie between 0 and 1")
        if not gain > 0:
            raise ValueError(f"gain={gain} must be above 0")
        if size < 1:
            raise ValueError(f"size={size} must be at least 1")
        self.target, self.gain, self.longest, self.size = target, gain, longest, size
        self.steered: dict[str, Steered] = {}

    def prefix(self, problem: str) -> Tensor:
        """The tokens with which its next answers begin.  -> [l]"""
        found = self.steered.get(problem)
        return torch.zeros(0, dtype=torch.int) if found is None else found.prefix

    def keep(self, groups: Iterable[Answered], iteration: int) -> None:
        """Update the shares from the counts of an iteration's answers, over all processes."""
        for group in groups:
            before = self.steered.get(group.problem)
            answer = group.passing if group.passing is not None or before is None else before.answer
            if answer is None or not group.answers:
                continue
            rate = group.passes / group.answers
            share = (0.0 if before is None else before.share) + self.gain * (self.target - rate)
            self.steered.pop(group.problem, None)
            if share > 0:
                self.steered[group.problem] = Steered(answer, min(share, self.longest), rate, iteration)
        last = sorted(self.steered.items(), key=lambda pair: (-pair[1].iteration, pair[0]))
        self.steered = dict(last[: self.size])

    def state_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"steered": {problem: dict(vars(each)) for problem, each in self.steered.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steered = {problem: Steered(**each) for problem, each in state["steered"].items()}
