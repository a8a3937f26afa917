"""The estimate against what was held: PyTorch's own account of real updates."""

from __future__ import annotations

import gc
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, AdamW
from torch.profiler import ProfilerActivity, profile

from app.compute.memory import estimate, moments
from app.policy import LoRA, PretrainedPolicy
from benchmarks.memory import SHAPE, Shaped
from tests.app.architectures import ARCHITECTURES, build, draw_rows
from tests.app.checkpoints import write

FACTOR = 1.3
"""Between the estimate and what was measured, either way."""

SMALL = {**SHAPE, "hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 8, "intermediate_size": 512}
WIDE = {**SMALL, "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 20_000}
DEEP = {**SMALL, "vocab_size": 1000}


class Held:
    """What PyTorch gave out inside the block: bytes at most beyond those of before, and the largest piece."""

    def __enter__(self) -> Held:
        gc.collect()  # what earlier tests left would be freed inside
        self.profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self.profile.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.profile.__exit__(*error)
        events = self.profile.profiler.kineto_results.events()
        sizes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns()) if e.name() == "[memory]"]
        self.most, self.largest = max(accumulate(sizes)), max(sizes)


@pytest.mark.parametrize(
    ("shape", "weights", "checkpointing"),
    [
        pytest.param(WIDE, torch.float32, True, id="wide-float32-checkpointing"),
        pytest.param(DEEP, torch.bfloat16, False, id="deep-bfloat16"),
        pytest.param(WIDE, torch.float32, False, id="wide-float32", marks=pytest.mark.slow),
        pytest.param(WIDE, torch.bfloat16, True, id="wide-bfloat16-checkpointing", marks=pytest.mark.slow),
        pytest.param(WIDE, torch.bfloat16, False, id="wide-bfloat16", marks=pytest.mark.slow),
        pytest.param(DEEP, torch.float32, True, id="deep-float32-checkpointing", marks=pytest.mark.slow),
        pytest.param(DEEP, torch.float32, False, id="deep-float32", marks=pytest.mark.slow),
        pytest.param(DEEP, torch.bfloat16, True, id="deep-bfloat16-checkpointing", marks=pytest.mark.slow),
    ],
)
def test_updates_hold_what_was_estimated(shape: dict[str, Any], weights: torch.dtype, checkpointing: bool) -> None:
    """Two, multiplied in bfloat16; from the second on, moments are held all the time."""
    rows = draw_rows([100, 100], [0] * 4 + [1] * 4, [64] * 8)
    with Held() as held:
        policy = Shaped(shape, weights, gradient_checkpointing=checkpointing, head_tokens=128)
        policy.build()
        optimizer = AdamW(policy.parameters())
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16, enabled=weights == torch.float32, cache_enabled=False):
                policy.logprobs(rows).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    memory = estimate(policy, optimizer, torch.bfloat16, 2 * 100 + 8 * 64, 0, 0)
    estimated = memory.training - memory.gaps  # which PyTorch does not know of
    assert memory.gaps == memory.activations // 2
    assert 1 / FACTOR < estimated / held.most < FACTOR, f"{estimated / 1e6:.1f} MB, of which {held.most / 1e6:.1f} held"


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("with_entropy", [False, True])
def test_scores_never_hold_a_distribution_of_every_token(with_entropy: bool, trained: bool) -> None:
    """The largest tensor is one chunk of the head's, and few of those are held at a time."""
    policy = Shaped(WIDE, torch.float32, head_tokens=16, gradient_checkpointing=True)
    policy.build()
    policy.train()
    rows = draw_rows([9, 4], [0] * 4 + [1] * 4, [64] * 8)  # B = 8, T = 64
    assert policy.shares_prompts
    chunk, whole = (4 * tokens * WIDE["vocab_size"] for tokens in (16, 8 * 64))
    with Held() as held, torch.set_grad_enabled(trained):
        logprobs, entropies = policy.score(rows, with_entropy=with_entropy)
    assert held.largest <= max(chunk, 4 * 512 * WIDE["intermediate_size"])
    assert held.most < 4 * chunk + 2**23 < whole
    if trained:
        with Held() as held:
            (logprobs + entropies).sum().backward()
        assert held.largest <= 4 * WIDE["vocab_size"] * WIDE["hidden_size"]  # the embedding's gradient
        assert held.most < whole


def test_adapters_need_no_gradient_or_moments_of_what_is_under_them(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    policy = PretrainedPolicy(str(write("qwen3 moe", tmp_path)), adapter=LoRA(rank=1, alpha=1))
    policy.build()
    memory = estimate(policy, AdamW(policy.parameters()), torch.float32, 512, 1000, 8)
    trained = [4 * parameter.numel() for parameter in policy.parameters() if parameter.requires_grad]
    assert memory.gradients == sum(trained) + max(trained)
    assert memory.optimizer == 2 * sum(trained)
    assert memory.weights == sum(4 * parameter.numel() for parameter in policy.parameters())
    assert memory.cache == 1000 * 2 * 2 * (2 * 8) * 4  # keys and values, layers, heads of 8, bytes


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_there_is_an_estimate_for_every_architecture(name: str) -> None:
    policy = build(name)
    memory = estimate(policy, AdamW(policy.parameters()), torch.bfloat16, 512, 1000, 8)
    assert min(memory.weights, memory.activations, memory.cache) > 0


@pytest.mark.parametrize(("optimizer", "expected"), [(AdamW, 2), (SGD, 0)])
def test_moments(optimizer: Any, expected: int) -> None:
    assert moments(optimizer([torch.nn.Parameter(torch.zeros(1))], lr=0.1)) == expected
    assert moments(SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)) == 1
