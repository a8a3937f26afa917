"""Sampling and scoring of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch

from app.engines.scripted import ScriptedEngine
from app.module import RLVRModule
from app.policy import TinyPolicy
from app.types import Completion, Problem, Sampling
from callbacks.rollout import RolloutCallback, rlvr, score
from callbacks.schedule import rollout_of


@pytest.mark.parametrize(("finish", "reward"), [("stop", 1.0), ("length", 0.0)])
def test_a_truncated_answer_does_not_pass(
    echo: Callable[[str], Problem], finish: Literal["stop", "length"], reward: float
) -> None:
    assert score(echo("UD"), Completion("UD", torch.tensor([3, 4]), finish)) == reward


def test_rollouts_must_be_some() -> None:
    with pytest.raises(ValueError, match="rollouts=0 must be at least 1"):
        RolloutCallback(rollouts=0)


def test_the_module_must_be_one_of_ours(tiny_policy: Callable[..., TinyPolicy]) -> None:
    from lightning.pytorch import LightningModule, Trainer

    module = RLVRModule(tiny_policy())
    assert rlvr(module) is module
    with pytest.raises(TypeError, match="rollouts need an RLVRModule, not LightningModule"):
        rlvr(LightningModule())
    with pytest.raises(ValueError, match="nobody would sample"):
        rollout_of(Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False))


def test_defaults_are_those_of_training() -> None:
    rollout = RolloutCallback(ScriptedEngine(["U"]))
    assert rollout.stage_engine is rollout.engine
    assert rollout.sampling == Sampling()
    assert rollout.seed == 0
