"""Padding rows to a multiple, for oneDNN's kernels, changes neither scores and gradients nor samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from app.compute.token_scores import Shaping
from app.engines.decoders import SharedPrefixDecoder
from app.engines.transformers import decoder_for
from app.policy import Policy
from app.types import Experience, Sampling
from tests.app.architectures import build, draw_rows, gradients
from tests.app.engines.test_transformers import eager_to_stop, requests, said, sample
from tests.app.policy.test_base import RAGGED

NAMES = ["qwen2", "gpt2", "qwen3_moe", "mistral"]


@contextmanager
def padding(policy: Policy, multiple: int) -> Iterator[list[int]]:
    """Pad to this multiple; yields the numbers of rows that linear layers get, not those of the LM head."""
    rows: list[int] = []
    head = policy.model.get_output_embeddings()
    with ExitStack() as stack:
        for place in ("app.policy.base", "app.engines.decoders"):
            stack.enter_context(mock.patch(f"{place}.row_multiple", lambda model: multiple))
        for layer in policy.model.modules():
            if isinstance(layer, nn.Linear) and layer is not head:
                hook = layer.register_forward_pre_hook(lambda _, given: rows.append(given[0].flatten(0, -2).shape[0]))
                stack.callback(hook.remove)
        yield rows


def scores(policy: Policy, rows: Experience, shaping: Shaping | None) -> list[Tensor]:
    logprobs, entropies = policy.score(rows, with_entropy=True, shaping=shaping)
    (logprobs * rows.advantages).sum().backward()
    return [logprobs.detach(), entropies.detach(), *gradients(policy).values()]


@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize("head_tokens", [4, 4096])
@pytest.mark.parametrize("name", NAMES)
def test_scores_and_gradients(name: str, head_tokens: int, shaped: bool) -> None:
    policy, rows = build(name, head_tokens=head_tokens), draw_rows(*RAGGED)
    mixture = name == "qwen3_moe"  # its experts have no kernel for double, and get a part of the rows each
    policy.model.to(torch.float32 if mixture else torch.double)
    weight = torch.rand(rows.mask.shape, generator=torch.Generator().manual_seed(2))
    shaping = Shaping(3, weight, weight + 1) if shaped else None
    found = []
    for multiple in (1, 16):
        with padding(policy, multiple) as widths:
            found.append(scores(policy, rows, shaping))
        if policy.shares_prompts and not mixture:
            assert all(width % multiple == 0 for width in widths)
    for padded, plain in zip(found[1], found[0], strict=True):
        bound = 1e-4 if mixture else 1e-6  # the LM head scores in single precision
        torch.testing.assert_close(padded, plain, rtol=0, atol=bound * max(1.0, float(plain.abs().max())))


@pytest.mark.parametrize("compact_below", [0.0, 0.6, 1.1])
@pytest.mark.parametrize("name", NAMES[:3])
def test_samples(name: str, compact_below: float) -> None:
    policy, found = eager_to_stop(build(name)), []
    assert decoder_for(policy) is SharedPrefixDecoder
    for multiple in (1, 16):
        with padding(policy, multiple) as widths:
            groups = sample(policy, requests(), 6, Sampling(max_new_tokens=12), compact_below)
        found.append(groups)
        if multiple > 1 and name == "qwen2":
            assert {width for width in widths if width % multiple} <= {widths[0]}  # but for the prompts
    assert said(found[0]) == said(found[1])
    for plain, padded in zip(*([row for group in groups for row in group] for groups in found), strict=True):
        torch.testing.assert_close(padded.sampler_logprobs, plain.sampler_logprobs, rtol=0, atol=1e-5)
