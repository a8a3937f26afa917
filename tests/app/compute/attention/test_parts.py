"""Parts put together against attention over all keys at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from app.compute.attention import parts
from app.compute.attention.layout import Layout
from app.compute.attention.parts import (
    attend_backward,
    attend_part,
    attend_plainly,
    has_kernel,
    merge,
    padding_bias,
)


def draw(*shape: int, dtype: torch.dtype = torch.double) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("attend", [attend_part, attend_plainly])
def test_two_parts_are_the_whole(attend: Callable[..., tuple[Tensor, Tensor]]) -> None:
    query, keys, values = draw(2, 3, 4, 6), draw(2, 3, 9, 6), draw(2, 3, 9, 6) + 1
    assert has_kernel(query, keys, values)
    parts = [attend(query, keys[:, :, at], values[:, :, at], 0.3) for at in (slice(0, 5), slice(5, 9))]
    expected = (query @ keys.mT * 0.3).softmax(-1) @ values
    torch.testing.assert_close(merge(*parts[0], *parts[1]), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("attend", [attend_part, attend_plainly])
@pytest.mark.parametrize("dtype", [torch.float32, torch.double])
def test_keys_that_are_all_padded_weigh_nothing(
    attend: Callable[..., tuple[Tensor, Tensor]], dtype: torch.dtype
) -> None:
    query, keys, values = draw(2, 1, 3, 6, dtype=dtype), draw(2, 1, 4, 6, dtype=dtype), draw(2, 1, 4, 6, dtype=dtype)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    seen, log_z = attend(query, keys, values, 1.0, padding_bias(mask, dtype)[:, None, None])
    other, log_other = draw(2, 1, 3, 6, dtype=dtype), torch.zeros(2, 1, 3, dtype=dtype)
    merged = merge(other, log_other, seen, log_z)
    assert torch.equal(merged[1], other[1])
    expected, log_expected = attend_plainly(query[:1], keys[:1, :, :2], values[:1, :, :2], 1.0)
    torch.testing.assert_close(merged[:1], merge(other[:1], log_other[:1], expected, log_expected))


def test_layouts_take_tokens_out_and_put_them_back() -> None:
    row = torch.arange(100, 107)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    layout = Layout.of(mask, first=2, order=torch.tensor([3, 0, 4, 2, 1]))
    lines = layout.arrange(row)
    assert lines.tolist() == [[105, 102, 100], [106, 104, 103]]
    assert layout.collect(lines).tolist() == row[2:].tolist()
    assert Layout.of(mask).arrange(row).tolist() == [[100, 101, 100], [102, 103, 104]]


@pytest.mark.parametrize("padded", [False, True])
def test_gradients_of_short_lines_in_bfloat16_are_computed_in_single_precision(
    padded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, key, value = (draw(2, 3, length, 16).bfloat16() for length in (24, 40, 40))
    grad = (draw(2, 3, 24, 16) + 0.5).bfloat16()
    mask = torch.arange(40) < torch.tensor([[40], [25 if padded else 40]])
    bias = padding_bias(mask, torch.double)[:, None, None] if padded else None
    exact = [states.double().requires_grad_() for states in (query, key, value)]
    scores = exact[0] @ exact[1].mT * 0.25
    whole = (scores if bias is None else scores + bias).softmax(-1) @ exact[2]
    expected = torch.autograd.grad(whole, exact, grad.double())

    given = None if bias is None else padding_bias(mask, torch.bfloat16)[:, None, None]
    seen, log_z = attend_part(query, key, value, 0.25, given)

    def error() -> float:
        of = attend_backward(grad, query, key, value, seen, log_z, 0.25, given)
        assert all(states.dtype == torch.bfloat16 for states in of)
        return max(float((ours.double() - theirs).abs().max()) for ours, theirs in zip(of, expected, strict=True))

    shorter = error()
    monkeypatch.setattr(parts, "SHORTER", 39)
    short = error()
    assert shorter < 0.02
    monkeypatch.setattr(parts, "SHORT", 39)
    assert short <= error()
    assert short < 0.02


@pytest.mark.parametrize(("causal", "padded"), [(True, False), (False, False), (False, True)])
def test_gradients_by_products_need_no_key_head_repeated(causal: bool, padded: bool) -> None:
    query, key, value = draw(2, 6, 24, 16).bfloat16(), draw(2, 2, 24, 16).bfloat16(), draw(2, 2, 24, 16).bfloat16() + 1
    grad, bias = (draw(2, 6, 24, 16) + 0.5).bfloat16(), None
    unseen = torch.arange(24) >= torch.tensor([[24], [15 if padded else 24]])  # [R, S]
    if padded:
        bias = padding_bias(~unseen, torch.bfloat16)[:, None, None]
    exact = [states.double().requires_grad_() for states in (query, key, value)]
    keys, values = (states.repeat_interleave(3, 1) for states in exact[1:])
    scores = (exact[0] @ keys.mT * 0.25).masked_fill(unseen[:, None, None], -torch.inf)
    if causal:
        scores = scores.masked_fill(torch.ones(24, 24, dtype=torch.bool).triu(1), -torch.inf)
    seen = scores.softmax(-1) @ values
    expected = torch.autograd.grad(seen, exact, grad.double())

    with torch.autocast("cpu", torch.bfloat16):  # in which the backward pass of a training step may run
        given = grad, query, key, value, seen.detach(), scores.logsumexp(-1).detach()
        single = parts._backward_by_products(*[each.float() for each in given], 0.25, bias, causal)  # type: ignore[call-arg]
        of = attend_backward(*given, 0.25, bias, causal)
    for ours, rounded, theirs in zip(single, of, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=2e-5)
        assert torch.equal(rounded, ours.bfloat16())
