"""Linear layers by oneDNN and by transposed weights: products, gradients and parameters as those of `nn.Linear`."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from app.compute import linear
from app.compute.linear import (
    AVAILABLE,
    OneDNNLinear,
    PackedLinear,
    TransposedLinear,
    multiply_by,
    multiply_faster,
    packed_weights,
    row_multiple,
)

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this PyTorch has no oneDNN")
SIZE = 256


KINDS = [OneDNNLinear, TransposedLinear]


def both(
    bias: bool, dtype: torch.dtype = torch.float32, kind: type[PackedLinear] = OneDNNLinear
) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    layers = (nn.Linear(SIZE, width, bias=bias, dtype=dtype) for width in (SIZE, 2 * SIZE))
    plain = nn.Sequential(*layers)
    ours = deepcopy(plain)
    multiply_by(kind, ours)
    assert all(isinstance(layer, kind) for layer in ours)
    return plain, ours


def gradients(model: nn.Module, states: Tensor) -> list[Tensor]:
    states = states.clone().requires_grad_()
    model(states).square().mean().backward()
    return [states.grad, *(parameter.grad for parameter in model.parameters())]  # type: ignore[list-item]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1,), (7,), (1, 65), (3, 5)])
def test_products_and_gradients(kind: type[PackedLinear], bias: bool, shape: tuple[int, ...]) -> None:
    plain, ours = both(bias, kind=kind)
    states = torch.randn(*shape, SIZE)
    torch.testing.assert_close(ours(states), plain(states), rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(gradients(ours, states), gradients(plain, states), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_frozen_weights_and_inputs_take_no_gradient() -> None:
    plain, ours = both(bias=True)
    for model in (plain, ours):
        model[0].weight.requires_grad_(False)  # type: ignore[index]
        model(torch.randn(4, SIZE)).sum().backward()
        assert model[0].weight.grad is None  # type: ignore[index]
        assert model[1].weight.grad is not None  # type: ignore[index]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(9,), (), (2, 3)])
def test_packed_weights_are_those_of_the_block_alone(
    kind: type[PackedLinear], bias: bool, shape: tuple[int, ...]
) -> None:
    plain, ours = both(bias, kind=kind)
    states = torch.randn(*shape, SIZE)
    with torch.no_grad():
        with packed_weights(ours):
            assert all(layer.packed is not None for layer in ours)
            torch.testing.assert_close(ours(states), plain(states), rtol=1e-5, atol=1e-5)
        assert all(layer.packed is None for layer in ours)
        for model in (plain, ours):
            model[0].weight.mul_(2)  # type: ignore[index]
        torch.testing.assert_close(ours(states), plain(states), rtol=1e-5, atol=1e-5)


def test_the_same_bits_twice() -> None:
    _, ours = both(bias=True)
    states = torch.randn(33, SIZE)
    first, second = gradients(ours, states), gradients(deepcopy(ours), states)
    assert torch.equal(ours(states), ours(states))
    assert torch.equal(first[0], second[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.double])
def test_other_types_are_left_to_pytorch(kind: type[PackedLinear], dtype: torch.dtype) -> None:
    plain, ours = both(bias=True, dtype=dtype, kind=kind)
    states = torch.randn(5, SIZE, dtype=dtype)
    with packed_weights(ours):
        assert torch.equal(ours(states), plain(states))


def test_autocast_and_nothing_at_all() -> None:
    plain, ours = both(bias=True)
    states = torch.randn(5, SIZE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ours(states), plain(states))
    assert ours(states[:0]).shape == (0, 2 * SIZE)


def test_small_and_odd_layers_stay() -> None:
    class Odd(nn.Linear):
        pass

    model = nn.ModuleList([nn.Linear(4, 4), Odd(SIZE, SIZE)])
    before = model[0](torch.ones(1, 4))
    multiply_by(OneDNNLinear, model)
    assert type(model[1]) is Odd
    assert torch.equal(model[0](torch.ones(1, 4)), before)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_double_backward_is_refused_not_wrong() -> None:
    _, ours = both(bias=False)
    states = torch.randn(2, SIZE, requires_grad=True)
    (grad,) = torch.autograd.grad(ours(states).square().sum(), states, create_graph=True)
    with pytest.raises(RuntimeError):
        grad.sum().backward()


@pytest.mark.parametrize(
    ("faster", "mkl", "kind"), [(True, True, OneDNNLinear), (False, True, TransposedLinear), (False, False, nn.Linear)]
)
def test_what_is_fastest_is_taken(faster: bool, mkl: bool, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "is_faster", lambda: faster)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    model = nn.Linear(SIZE, SIZE)
    multiply_faster(model)
    assert type(model) is kind


def test_a_single_row_without_a_batch_has_gradients() -> None:
    torch.manual_seed(0)
    plain = nn.Linear(300, 260)
    ours = nn.Sequential(deepcopy(plain))
    multiply_by(OneDNNLinear, ours)
    states, weight = torch.randn(300), torch.randn(260)
    mine = torch.autograd.grad((ours(states) * weight).sum(), list(ours.parameters()))
    theirs = torch.autograd.grad((plain(states) * weight).sum(), list(plain.parameters()))
    for value, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(value, other, rtol=0, atol=2e-5)


@pytest.mark.skipif(not linear._has_bfloat16(), reason="the processor does not multiply bfloat16")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_weights_are_laid_out_in_bfloat16_where_it_is_multiplied(dtype: torch.dtype, bias: bool) -> None:
    """Of single-precision weights under autocast alone; outside of it they are multiplied as they are."""
    layer, rows = nn.Linear(300, 400, bias=bias, dtype=dtype), torch.randn(7, 3, 300, dtype=dtype)
    linear.multiply_by(linear.TransposedLinear, layer)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.float32)
    with torch.no_grad(), autocast:
        plain = layer(rows)
        with linear.packed_weights(layer):
            assert layer.halved is not None
            given = layer(rows)
            with torch.autocast("cpu", enabled=False):
                outside = layer(rows)
        assert layer.halved is None
    assert given.dtype == plain.dtype == torch.bfloat16
    assert torch.allclose(given, plain, atol=2e-2)
    assert outside.dtype == dtype
    with torch.no_grad():
        assert torch.allclose(outside, layer(rows), atol=2e-2)


def test_rows_are_padded_where_onednn_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, ours = both(bias=False)
    assert (row_multiple(plain), row_multiple(ours), row_multiple(nn.Linear(8, 8))) == (1, linear.ROWS, 1)
    multiply_by(TransposedLinear, blas := deepcopy(plain))
    assert row_multiple(blas) == 1
    for supported in (True, False):
        monkeypatch.setattr(linear, "_has_bfloat16", lambda supported=supported: supported)
        with torch.autocast("cpu", torch.bfloat16):
            assert row_multiple(plain) == row_multiple(ours) == (linear.ROWS if supported else 1)
