"""Attention by lines without padding, with the kernel's arithmetic in plain PyTorch; the kernel needs a GPU."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from app.compute.attention import PackedRow, packed, varlen
from app.compute.attention.packed import error_of_varlen
from app.compute.attention.varlen import VarlenPart, agrees, is_supported
from tests.app.architectures import draw_rows
from tests.app.compute.test_attention import LAYOUTS, pack

HALF_EMPTY = [layout for layout, (prompts, *_) in LAYOUTS.items() if 1 in prompts and max(prompts) > 1]


def spans(starts: Tensor) -> list[slice]:
    return [slice(*pair) for pair in zip(starts.tolist(), starts.tolist()[1:], strict=False)]


def scores_of(query: Tensor, key: Tensor, causal: bool, scale: float | None) -> Tensor:
    """[C, H, D], [S, G, D] -> [H, C, S]"""
    repeated = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scores = torch.einsum("chd,shd->hcs", query, repeated) * (query.shape[-1] ** -0.5 if scale is None else scale)
    future = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf) if causal else scores


def plain_forward(
    query: Tensor, key: Tensor, value: Tensor, starts: Tensor, of_keys: Tensor, longest: int, longest_key: int,
    dropout: float, causal: bool, debug: bool, *, scale: float | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Outputs [n, H, D] and log Z [H, n], line by line."""
    assert (dropout, debug, starts.dtype, of_keys.dtype) == (0.0, False, torch.int32, torch.int32)
    assert longest == max(starts.diff()) and longest_key == max(of_keys.diff()) and query.is_contiguous()
    out, log_z = torch.empty_like(query), query.new_empty(query.shape[1], len(query))
    for at, keys in zip(spans(starts), spans(of_keys), strict=True):
        scores = scores_of(query[at], key[keys], causal, scale)
        values = value[keys].repeat_interleave(query.shape[1] // value.shape[1], 1)
        out[at] = torch.einsum("hcs,shd->chd", scores.softmax(-1), values)
        log_z[:, at] = scores.logsumexp(-1)
    return out, log_z


def plain_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, out: Tensor, log_z: Tensor, starts: Tensor,
    of_keys: Tensor, longest: int, longest_key: int, dropout: float, causal: bool, seed: Tensor, unused: Tensor, *,
    scale: float | None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """P = exp(scores - log Z), dS = P (dP - rowsum(dO O)), with the given `out` and `log_z`."""
    assert dropout == 0.0 and log_z.is_contiguous()
    assert longest == max(starts.diff()) and longest_key == max(of_keys.diff())
    factor, each = (query.shape[-1] ** -0.5 if scale is None else scale), query.shape[1] // key.shape[1]
    of_query, of_key, of_value = (torch.zeros_like(states) for states in (query, key, value))
    for at, keys in zip(spans(starts), spans(of_keys), strict=True):
        shares = (scores_of(query[at], key[keys], causal, scale) - log_z[:, at, None]).exp()
        by_value = torch.einsum("chd,shd->hcs", grad[at], value[keys].repeat_interleave(each, 1))
        d_scores = shares * (by_value - (grad[at] * out[at]).sum(-1).T[..., None])
        of_query[at] += factor * torch.einsum("hcs,shd->chd", d_scores, key[keys].repeat_interleave(each, 1))
        for total, shared in (
            (of_key, factor * torch.einsum("hcs,chd->shd", d_scores, query[at])),
            (of_value, torch.einsum("hcs,chd->shd", shares, grad[at])),
        ):
            total[keys] += shared.unflatten(1, (-1, each)).sum(2)
    return of_query, of_key, of_value


@pytest.fixture(autouse=True)
def forget() -> None:
    agrees.cache_clear()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel in plain PyTorch, for any tensors."""
    monkeypatch.setattr(varlen, "_forward", plain_forward)
    monkeypatch.setattr(varlen, "_backward", plain_backward)
    monkeypatch.setattr(packed, "is_supported", lambda *_: True)
    monkeypatch.setattr(packed, "has_kernel", lambda *_: False)


def attended(row: PackedRow, dtype: torch.dtype = torch.double) -> list[Tensor]:
    """The output and the gradients of queries, keys and values."""
    length, generator = row.input_ids.shape[1], torch.Generator().manual_seed(0)
    states = [torch.randn(1, heads, length, 8, generator=generator, dtype=torch.double) for heads in (6, 2, 2)]
    leaves = [values.to(dtype).requires_grad_() for values in states]
    seen = row.attend(0, *leaves, 0.3)  # type: ignore[arg-type]
    weight = torch.randn(seen.shape, generator=generator, dtype=torch.double).to(dtype)
    return [seen.detach(), *torch.autograd.grad((seen * weight).sum(), leaves)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lines_without_padding_are_attention_with_repeated_keys(
    layout: str, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = pack(draw_rows(*LAYOUTS[layout]))
    by_lines, asked = attended(row), []
    assert (row.varlen is None) == (layout in HALF_EMPTY)
    monkeypatch.setattr(packed, "is_supported", lambda *given: asked.append(given) or False)
    for mine, theirs in zip(by_lines, attended(row), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    assert asked


def test_it_is_tried_on_an_example_first(plain: None, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    assert error_of_varlen(torch.device("cpu"), torch.double, 6, 2, 8) < 1e-12
    row = pack(draw_rows(*LAYOUTS["one row"]))
    usual = attended(row)

    def wrong(*given: Any, **options: Any) -> tuple[Tensor, ...]:
        of_query, of_key, of_value = plain_backward(*given, **options)
        return of_query, of_key, of_value * 1.1

    for kernel, cause in ((wrong, "error is 0.1"), (missing, "no kernel image")):
        agrees.cache_clear()
        monkeypatch.setattr(varlen, "_backward", kernel)
        with caplog.at_level(logging.WARNING):
            found = attended(row)
        assert cause in caplog.records[-1].message
        for mine, theirs in zip(found, usual, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    assert len(caplog.records) == 2


def test_it_may_be_tried_first_in_a_checkpointed_layer(plain: None) -> None:
    """Gradient checkpointing counts the tensors that a layer saves, and the example is computed in the first layer."""
    row = pack(draw_rows(*LAYOUTS["problems in turn"]))
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, heads, row.input_ids.shape[1], 8) for heads in (6, 2, 2)]
    states = [torch.randn(shape, generator=generator, dtype=torch.double).requires_grad_() for shape in shapes]

    def layer(*given: Tensor) -> Tensor:
        query, key, value = (each.sin() for each in given)
        return row.attend(0, query, key, value, 0.3).sin()

    seen: Any = checkpoint(layer, *states, use_reentrant=False)
    found = torch.autograd.grad(seen.sum(), states)
    assert agrees.cache_info().misses == 1
    for mine, theirs in zip(found, torch.autograd.grad(layer(*states).sum(), states), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def missing(*given: Any, **options: Any) -> tuple[Tensor, ...]:
    raise RuntimeError("CUDA error: no kernel image is available\nmore of it")


def on_meta(part: VarlenPart) -> VarlenPart:
    queries, keys = (replace(lines, starts=lines.starts.to("meta")) for lines in (part.queries, part.keys))
    return replace(part, queries=queries, keys=keys, order=None if part.order is None else part.order.to("meta"))


def test_pytorchs_kernel_takes_these_arguments() -> None:
    """On the meta device, which has the kernel's signature and shapes but computes nothing."""
    row = pack(draw_rows(*LAYOUTS["problems in turn"]))
    length = row.input_ids.shape[1]
    query, key, value = (torch.empty(length, heads, 16, dtype=torch.bfloat16, device="meta") for heads in (6, 2, 2))
    parts = row.varlen
    assert parts is not None and parts.across is not None
    for part in (parts.responses, parts.prompts, parts.across):
        assert isinstance(part, VarlenPart)
        seen, log_z = on_meta(part).attend(query, key, value, None)
        number, keys = part.queries.starts[-1], part.keys.starts[-1]
        assert seen.shape == (number, 6, 16) and log_z.shape == (number, 6) and log_z.dtype == torch.float32
        whole = torch.empty_like(query), torch.empty(length, 6, device="meta")
        of = on_meta(part).gradients(query, *whole, (query, key, value), None)
        assert [each.shape[0] for each in of] == [number, keys, keys]


@pytest.mark.parametrize(
    ("states", "supported"),
    [
        ({}, True),
        ({"is_cuda": False}, False),
        ({"dtype": torch.float32}, False),
        ({"shape": (9, 2, 12)}, False),
        ({"shape": (9, 2, 264)}, False),
    ],
)
def test_what_the_kernel_takes(states: dict[str, Any], supported: bool) -> None:
    given: Any = SimpleNamespace(**{"is_cuda": True, "dtype": torch.bfloat16, "shape": (9, 2, 64)} | states)
    other: Any = SimpleNamespace(is_cuda=True, dtype=torch.bfloat16, shape=(9, 2, 128))
    assert is_supported(given, given, given) == supported
    assert not is_supported(given, other, given)  # as in DeepSeek's attention, whose keys are longer than its values
