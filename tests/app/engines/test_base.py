"""What an engine of somebody else's may get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from app.engines.base import RolloutEngine
from app.types import Completion, Request, Sampling
from tests.app.updates import PROBLEMS

REQUESTS = [Request(problem, torch.arange(3), "seed") for problem in PROBLEMS[:2]]
RIGHT = Completion("U", torch.tensor([1, 2]), "stop", torch.zeros(2), torch.ones(2))


class Gives(RolloutEngine):
    """The same completions whatever it is asked."""

    def __init__(self, *groups: list[Completion]) -> None:
        self.groups = [*groups]

    def sync(self, policy: Any) -> None: ...

    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        return self.groups


def test_n_completions_of_each_request_pass() -> None:
    groups = [[RIGHT] * 3] * 2
    assert Gives(*groups).generate_checked(REQUESTS, 3, Sampling()) == groups


@pytest.mark.parametrize("counts", [[3], [3, 2], [3, 4], [3, 3, 3], []])
def test_other_numbers_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"Gives.generate gave \[.*\] completions: it must be 3 for each of the 2"):
        Gives(*([RIGHT] * count for count in counts)).generate_checked(REQUESTS, 3, Sampling())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sampler_logprobs": torch.zeros(1)}, r"sampler_logprobs of shape \(1,\): it must be \[T\] = \(2,\)"),
        ({"entropies": torch.zeros(2, 1)}, r"entropies of shape \(2, 1\)"),
        ({"old_logprobs": torch.tensor(0.0)}, r"old_logprobs of shape \(\)"),
        ({"tokens": torch.zeros(1, 2)}, r"tokens of shape \(1, 2\): it must be \[T\]"),
        ({"finish": "eos"}, "finish='eos'"),
    ],
)
def test_what_does_not_fit_its_tokens_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Gives([RIGHT, replace(RIGHT, **change)]).generate_checked(REQUESTS[:1], 2, Sampling())
