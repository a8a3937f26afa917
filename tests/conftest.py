"""What all tests share: one thread, no network, a problem that needs no puzzle and a policy that needs no download."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from app.policy import TinyPolicy
from app.types import Problem

torch.set_num_threads(1)


@dataclass(frozen=True)
class EchoProblem(Problem):
    """Passes whoever says the prompt again."""

    prompt: str
    label: str = "echo"

    @property
    def key(self) -> str:
        return self.prompt

    @property
    def solution(self) -> str:
        return self.prompt

    def score(self, response: str) -> float:
        return float(response == self.prompt)


def build_tiny_policy(seed: int = 0, **changes: object) -> TinyPolicy:
    """A built `TinyPolicy` whose random weights are large enough for its answers to differ."""
    shape = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 24, "context_length": 256}
    policy = TinyPolicy(**{**shape, **changes})
    torch.manual_seed(seed)
    policy.build()
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    return policy


@pytest.fixture
def tiny_policy() -> Callable[..., TinyPolicy]:
    """A factory of built tiny policies; see `build_tiny_policy`."""
    return build_tiny_policy


@pytest.fixture
def echo() -> type[EchoProblem]:
    """The class of a trivial problem."""
    return EchoProblem
