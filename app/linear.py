"""Linear layers on a CPU in single precision, multiplied by oneDNN where the BLAS library is not at home.

PyTorch gives fp32 products to Intel's MKL, which uses half of the vector width on other makers' processors. oneDNN
does not ask: on AMD's Zen 4 a product of 64 to 256 rows takes a quarter less time by it, one of 2,000 a tenth. On
Intel's own (Sapphire Rapids) MKL is as fast in single products, a tenth faster in whole iterations, and stays.
oneDNN is called by the names that PyTorch's own compiler calls it by. Sums run in another order, nothing else differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

SMALLEST = 2**16
"""Weights of fewer entries stay with BLAS: calling oneDNN would cost more than it saves."""

_pack: Any = getattr(torch.ops.mkldnn, "_reorder_linear_weight", None)
_multiply: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
AVAILABLE = torch.backends.mkldnn.is_available() and None not in (_pack, _multiply)


def is_faster() -> bool:
    """Whether oneDNN is there and the processor is one that MKL holds back on: any that is not Intel's."""
    described = Path("/proc/cpuinfo")
    intel = described.is_file() and "GenuineIntel" in described.read_text()
    return AVAILABLE and not (intel and torch.backends.mkl.is_available())


def use_onednn(model: nn.Module) -> None:
    """Have the model's linear layers multiply by oneDNN; parameters and their names stay."""
    for module in model.modules():
        if type(module) is nn.Linear and AVAILABLE:
            module.__class__ = OneDNNLinear


@contextmanager
def packed_weights(model: nn.Module) -> Iterator[None]:
    """Lay the weights out once for all forward passes in the block; they must not change in it."""
    layers = [module for module in model.modules() if isinstance(module, OneDNNLinear) and _fits(module.weight)]
    for layer in layers:
        layer.packed = _pack(layer.weight.detach())
    try:
        yield
    finally:
        for layer in layers:
            layer.packed = None


class OneDNNLinear(nn.Linear):
    """`nn.Linear`, but for who multiplies."""

    packed: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        """[.., I] -> [.., O]"""
        if not (_fits(self.weight) and _fits_input(input)):
            return linear(input, self.weight, self.bias)
        if self.packed is not None:
            return _multiply(input, self.packed, self.bias, "none", [], "")
        return _Product.apply(input, self.weight, self.bias)


def _fits(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.numel() >= SMALLEST


def _fits_input(states: Tensor) -> bool:
    return states.dtype == torch.float32 and states.numel() > 0 and not torch.is_autocast_enabled("cpu")


class _Product(torch.autograd.Function):
    """y = x W^T + b.  [.., I], [O, I], [O] -> [.., O]"""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(states, weight)
        return _multiply(states, weight, bias, "none", [], "")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # type: ignore[override]
        (grad,) = grads
        states, weight = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        of_states, of_weight, of_bias = ctx.needs_input_grad
        return (
            _multiply(grad, weight.t(), None, "none", [], "") if of_states else None,
            rows.t() @ states.reshape(-1, states.shape[-1]) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )
