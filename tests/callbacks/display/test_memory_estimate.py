"""One line before the first iteration, from what the run was configured with; and a warning where training is lost."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch
from torch.optim import AdamW

from app.compute.memory import available_bytes
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
    prompt = max(len(cli.model.policy.encode(problem.prompt)) for problem in cli.datamodule.splits["validation"])
    size = 4 if dtype == "float32" else 2
    assert memory.cache == 8 * (prompt + 4 * 24) * 2 * 2 * 16 * size  # a validation's 8 problems, not training's 4
    assert memory.logits == 8 * 4 * 20 * len(cli.model.policy.tokenizer)
    assert ["loses updates" in line for line in said[1:]] == ([True] if dtype == "bfloat16" else [])


def test_a_run_that_does_not_fit_says_what_to_set(
    passk: CommandLine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callbacks.display.memory_estimate.available_bytes", lambda device: 2_000_000)
    with caplog.at_level(logging.WARNING, "callbacks.display.memory_estimate"):
        cli = passk.fit([stage("one", BY_LENGTH, until=steps(1))], "--trainer.num_sanity_val_steps=-1")
    (said,) = [record.getMessage() for record in caplog.records if record.name == "callbacks.display.memory_estimate"]
    assert callback(cli, "MemoryEstimate").memory.most > 2_000_000
    assert "more than the 0.002 GB that are available: lower model.microbatch_tokens=2048" in said
    for name in ("head_tokens=4096", "gradient_checkpointing", "configs/lora.yaml", "rollout.engine.memory_gb"):
        assert name in said


def test_what_is_available_is_less_than_the_machine_has() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = available_bytes(torch.device("cpu"))
    assert available is None or 0 < available <= 1.1 * total
    assert available_bytes(torch.device("meta")) is None


@pytest.mark.parametrize(("dtype", "moves"), [(torch.float32, True), (torch.bfloat16, False)])
def test_the_papers_learning_rate_is_lost_in_bfloat16(dtype: torch.dtype, moves: bool) -> None:
    """What the warning is for: ten steps of 1e-6 on weights of the usual size."""
    weight = torch.nn.Parameter(torch.full((100,), 0.02, dtype=dtype))
    optimizer, before = AdamW([weight], lr=1e-6, weight_decay=0.0), weight.detach().clone()
    for _ in range(10):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert torch.equal(weight, before) != moves
