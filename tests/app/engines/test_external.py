"""The check that an engine with its own copy of the weights samples with the policy's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from app.engines.base import EngineError
from app.engines.external import ExternalEngine
from app.engines.transformers import TransformersEngine
from app.policy import Policy, TinyPolicy
from app.types import Completion, Request, Sampling


class Shifted(ExternalEngine):
    """Samples as the policy does, and adds some numbers to the log-probabilities of each prompt's responses."""

    def __init__(self, *shifts: Callable[[Tensor], Tensor], bound: float = 0.5) -> None:
        super().__init__(bound)
        self.shifts, self.max_length, self.own = shifts, 2**31, TransformersEngine()

    def update(self, policy: Policy) -> None:
        self.own.sync(policy)

    def sample(
        self, requests: Sequence[Request], n: int, sampling: Sampling, stops: list[int]
    ) -> list[list[Completion]]:
        groups = self.own.generate(requests, n, sampling)
        return [
            [replace(row, sampler_logprobs=shift(row.sampler_logprobs.clone())) for row in rows]  # type: ignore[union-attr]
            for rows, shift in zip(groups, self.shifts, strict=True)
        ]


def same(logprobs: Tensor) -> Tensor:
    return logprobs


def first(by: float) -> Callable[[Tensor], Tensor]:
    return lambda logprobs: torch.cat([logprobs[:1] + by, logprobs[1:]])


def each(by: float) -> Callable[[Tensor], Tensor]:
    return lambda logprobs: logprobs + by


def test_a_single_token_may_differ_by_more(tiny_policy: Callable[..., TinyPolicy]) -> None:
    """As one of some ten thousand does in bfloat16: here the first of each response."""
    Shifted(same, first(0.4)).sync(tiny_policy())
    Shifted(first(-0.4), same).sync(tiny_policy())


@pytest.mark.parametrize("shifts", [(same, each(0.6)), (each(-0.6), same), (same, each(float("nan")))])
def test_responses_to_one_prompt_that_differ_end_the_run(
    tiny_policy: Callable[..., TinyPolicy], shifts: tuple[Callable[[Tensor], Tensor], ...]
) -> None:
    with pytest.raises(EngineError, match=r"Shifted does not sample with .* apart on average, that of token \d+ is"):
        Shifted(*shifts).sync(tiny_policy())


def test_a_bound_is_of_the_mean(tiny_policy: Callable[..., TinyPolicy]) -> None:
    Shifted(each(0.01), same, bound=0.02).sync(tiny_policy())
    with pytest.raises(EngineError, match=r"are 3\.00e-02 apart on average.*max_logprob_difference=0\.02"):
        Shifted(same, each(0.03), bound=0.02).sync(tiny_policy())
