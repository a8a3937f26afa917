"""One line before the first iteration, from what the run was configured with; and a warning where training is lost."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch.optim import AdamW

from tests.conftest import BY_LENGTH, CommandLine, build_tiny_policy, callback, stage, steps


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_run_says_what_it_will_hold(
    dtype: str, passk: CommandLine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_tiny_policy(context_length=1024).save(tmp_path / "policy")
    path = ["--model.policy=app.policy.PretrainedPolicy", f"--model.policy.path={tmp_path / 'policy'}"]
    with caplog.at_level(logging.INFO, "callbacks.display.memory_estimate"):
        cli = passk.fit([stage("one", BY_LENGTH, until=steps(1))], *path, f"--model.policy.dtype={dtype}")
    said = [record.getMessage() for record in caplog.records if record.name == "callbacks.display.memory_estimate"]
    memory = callback(cli, "MemoryEstimate").memory
    weights = sum(parameter.numel() for parameter in cli.model.policy.parameters())
    assert said[0] == str(memory)
    assert memory.weights == weights * (4 if dtype == "float32" else 2)
    prompt = max(len(cli.model.policy.encode(problem.prompt)) for problem in cli.datamodule.splits["train"])
    assert memory.cache == 4 * (prompt + 4 * 24) * 2 * 2 * 16 * (4 if dtype == "float32" else 2)
    assert ["loses updates" in line for line in said[1:]] == ([True] if dtype == "bfloat16" else [])


@pytest.mark.parametrize(("dtype", "moves"), [(torch.float32, True), (torch.bfloat16, False)])
def test_the_papers_learning_rate_is_lost_in_bfloat16(dtype: torch.dtype, moves: bool) -> None:
    """What the warning is for: ten steps of 1e-6 on weights of the usual size."""
    weight = torch.nn.Parameter(torch.full((100,), 0.02, dtype=dtype))
    optimizer, before = AdamW([weight], lr=1e-6, weight_decay=0.0), weight.detach().clone()
    for _ in range(10):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert torch.equal(weight, before) != moves
