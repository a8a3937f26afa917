"""The means of rewards that scores are made of, against a loop over all answers."""

from __future__ import annotations

from itertools import chain
from random import Random
from typing import Any

import pytest
import torch

from app.metrics.components import ComponentMeans
from app.types import Completion, Rollouts
from tests.conftest import EchoProblem

Parts = dict[str, float] | None


def drawn(seed: int) -> list[Parts]:
    """Of the answers of a batch: rewards at random, one that seldom applies, one of a batch alone; some have none."""
    random = Random(seed)
    parts: list[Parts] = []
    for _ in range(random.randint(1, 5)):
        rewards = {"format": random.random(), "short": -random.random()} | {f"only {seed}": 1e6}
        known = {name: value for name, value in rewards.items() if random.random() < 0.7}
        parts.append(random.choice([None, known, known]))
    return parts


PARTS = [drawn(seed) for seed in range(7)]


def summed(batches: list[list[Parts]]) -> ComponentMeans:
    means = ComponentMeans()
    for parts in batches:
        rows = [Completion("", torch.ones(1, dtype=torch.long), "stop", parts=each) for each in parts]
        means.update(Rollouts([EchoProblem("x")], completions=[rows], rewards=torch.zeros(1, len(rows))))
    return means


def naive(batches: list[list[Parts]]) -> dict[str, float]:
    every = [each for batch in batches for each in batch if each is not None]
    values = {
        name: [each[name] for each in every if name in each] for name in {name for each in every for name in each}
    }
    return {f"reward/{name}": sum(of_name) / len(of_name) for name, of_name in values.items()}


@pytest.mark.parametrize("batches", [PARTS, PARTS[::-1], [[*chain(*PARTS)]], PARTS[:1], [], [[None, {}]]])
def test_means_are_over_the_answers_that_a_reward_applies_to(batches: list[list[Parts]]) -> None:
    assert summed(batches).compute(torch.device("cpu")) == pytest.approx(naive(batches), rel=1e-12)


def test_two_processes_have_what_one_has_though_neither_knows_all_names(two_processes: list[dict[str, Any]]) -> None:
    own = [{*summed(PARTS[rank::2]).sums} for rank in (0, 1)]
    assert own[0] - own[1]
    assert own[1] - own[0]
    for result in two_processes:
        assert result["components"] == pytest.approx(naive(PARTS), rel=1e-12)
