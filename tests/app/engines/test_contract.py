"""What holds for every engine: a new one is added to the list."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from app.engines.base import RolloutEngine
from app.engines.demonstrations import DemonstrationEngine
from app.engines.scripted import ScriptedEngine
from app.engines.transformers import TransformersEngine
from app.policy import TinyPolicy
from app.types import Request, Rollouts, Sampling
from tests.conftest import EchoProblem

ENGINES = {
    "transformers": lambda: TransformersEngine(),
    "demonstrations": lambda: DemonstrationEngine(),
    "typos": lambda: DemonstrationEngine(0.5, "abc"),
    "scripted": lambda: ScriptedEngine(["{solution}", "no", ""]),
}


@pytest.mark.parametrize("name", ENGINES)
def test_completions_make_rows_that_the_policy_scores(name: str, tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy, engine, sampling = tiny_policy(), ENGINES[name](), Sampling(max_new_tokens=6)
    assert isinstance(engine, RolloutEngine)
    engine.sync(policy)
    problems = [EchoProblem("abcabc"), EchoProblem("b")]
    asked = [Request(problem, policy.encode(problem.prompt), problem.key) for problem in problems]
    groups = engine.generate(asked, 3, sampling)
    assert [len(group) for group in groups] == [3, 3]
    for row in [row for group in groups for row in group]:
        assert 1 <= len(row.tokens) <= 6
        assert row.tokens.dtype == torch.long
        assert row.finish == ("stop" if row.tokens[-1] == 1 else "length")
        assert row.text == policy.decode([row.tokens.tolist()])[0]
        for recorded in (row.sampler_logprobs, row.entropies):
            assert recorded is None or recorded.shape == row.tokens.shape
    batch = Rollouts(problems, [request.tokens for request in asked], groups, torch.zeros(2, 3))
    rows = batch.experience(torch.ones(2, 3))
    assert policy.logprobs(rows).shape == rows.tokens.shape
    assert [[row.tokens.tolist() for row in group] for group in engine.generate(asked, 3, sampling)] == [
        [row.tokens.tolist() for row in group] for group in groups
    ]
