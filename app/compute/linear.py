"""Linear layers on a CPU: what is faster than the products that PyTorch makes by itself.

Single precision is left to Intel's MKL.

On other makers' processors MKL uses half of the vector width. oneDNN does not ask who made it: on AMD's Zen 4 a
product of 64 to 256 rows takes a quarter less time by it, one of 2,000 a tenth. It is called by the names that
PyTorch's own compiler calls it by. On Intel's own (Sapphire Rapids) MKL is a tenth faster in whole iterations and
stays; there products of up to 128 rows take an eighth less time by the transposed weight, laid out once for a
sampling, which thus takes 4 % less. Sums run in another order, nothing else differs.

bfloat16 is multiplied by oneDNN anyway, but autocast casts every weight again in every step of sampling, and oneDNN
lays it out again. Here both are done once for a sampling: with 576 x 1,536 weights a product of 16 rows takes 0.09 ms
for 0.52, one of 256 rows 0.7 for 1.5 (one thread with AMX).
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


def multiply_faster(model: nn.Module) -> None:
    """Have the model's linear layers multiply in the way that is fastest here; parameters and their names stay."""
    if is_faster():
        multiply_by(OneDNNLinear, model)
    elif torch.backends.mkl.is_available():
        multiply_by(TransposedLinear, model)


def multiply_by(kind: type[PackedLinear], model: nn.Module) -> None:
    """Make the model's linear layers of this kind."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = kind


@contextmanager
def packed_weights(model: nn.Module) -> Iterator[None]:
    """Lay the weights out once for all forward passes in the block; they must not change in it."""
    layers = [module for module in model.modules() if isinstance(module, PackedLinear)]
    for layer in layers:
        if _is_multiplied_in_bfloat16(layer.weight):
            layer.halved = _pack(layer.weight.detach().bfloat16())
        elif _fits(layer.weight) and not torch.is_autocast_enabled("cpu"):  # which multiplies copies of its own
            layer.packed = layer.pack()
    try:
        yield
    finally:
        for layer in layers:
            layer.packed = layer.halved = None


class PackedLinear(nn.Linear):
    """`nn.Linear`, whose weight may be laid out for sampling: `packed` in single precision, `halved` in bfloat16."""

    packed: Tensor | None = None
    halved: Tensor | None = None

    def pack(self) -> Tensor:
        """The weight as `multiply_packed` wants it."""
        raise NotImplementedError

    def multiply_packed(self, rows: Tensor, packed: Tensor) -> Tensor:
        """[R, I] -> [R, O]"""
        raise NotImplementedError

    def multiply(self, states: Tensor) -> Tensor:
        """With gradients.  [.., I] -> [.., O]"""
        return linear(states, self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """[.., I] -> [.., O]"""
        if self.halved is not None and input.numel() and _is_bfloat16(input):
            rows = input.reshape(-1, input.shape[-1]).bfloat16()
            bias = None if self.bias is None else self.bias.bfloat16()
            return _multiply(rows, self.halved, bias, "none", [], "").view(*input.shape[:-1], -1)
        if not (_fits(self.weight) and _fits_input(input)):
            return linear(input, self.weight, self.bias)
        if self.packed is None:
            return self.multiply(input)
        rows = input.reshape(-1, input.shape[-1])
        return self.multiply_packed(rows, self.packed).view(*input.shape[:-1], -1)


class TransposedLinear(PackedLinear):
    """By BLAS, from the transposed weight while sampling."""

    def pack(self) -> Tensor:
        return self.weight.detach().t().contiguous()

    def multiply_packed(self, rows: Tensor, packed: Tensor) -> Tensor:
        return rows @ packed if self.bias is None else torch.addmm(self.bias, rows, packed)


class OneDNNLinear(PackedLinear):
    """By oneDNN."""

    def pack(self) -> Tensor:
        return _pack(self.weight.detach())

    def multiply_packed(self, rows: Tensor, packed: Tensor) -> Tensor:
        return _multiply(rows, packed, self.bias, "none", [], "")

    def multiply(self, states: Tensor) -> Tensor:
        return _Product.apply(states, self.weight, self.bias)


def _is_multiplied_in_bfloat16(weight: Tensor) -> bool:
    """Whether oneDNN multiplies this weight in bfloat16: by instructions of the processor, or PyTorch would not."""
    if not (AVAILABLE and weight.device.type == "cpu" and weight.numel() >= SMALLEST and _has_bfloat16()):
        return False
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") == torch.bfloat16 and weight.is_floating_point()
    return weight.dtype == torch.bfloat16


def _is_bfloat16(states: Tensor) -> bool:
    """Whether they are multiplied in bfloat16 at this moment."""
    return states.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")


def _has_bfloat16() -> bool:
    return bool(getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)())


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
