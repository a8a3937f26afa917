"""Linear layers on a CPU that are faster than PyTorch's.

PyTorch computes single precision with Intel's MKL. On processors of other makers MKL uses half of the vector width.
oneDNN does not: on AMD's Zen 4 a product of 64 to 256 rows takes a quarter less time with it, one of 2,000 a tenth
less. It is called by the names that PyTorch's own compiler uses. On Intel's processors (Sapphire Rapids) MKL is a tenth
faster in whole iterations and is kept; there products of up to 128 rows take an eighth less time with a transposed copy
of the weight, made once per sampling, which thus takes 4 % less. Results differ only by the order of summation.

PyTorch computes bfloat16 with oneDNN already, but in every step of sampling autocast casts every weight again and
oneDNN packs it again. Here both are done once per sampling: with 576 x 1,536 weights a product of 16 rows takes 0.09 ms
instead of 0.52, one of 256 rows 0.7 instead of 1.5 (one thread with AMX).
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
"""Weights with fewer entries are multiplied by BLAS: calling oneDNN would cost more than it saves."""

ROWS = 16
"""Numbers of rows are rounded up to a multiple of this where oneDNN multiplies."""

_pack: Any = getattr(torch.ops.mkldnn, "_reorder_linear_weight", None)
_multiply: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
AVAILABLE = torch.backends.mkldnn.is_available() and None not in (_pack, _multiply)


def is_faster() -> bool:
    """Whether oneDNN is available and MKL is slow on this processor, that is, on any that is not Intel's."""
    described = Path("/proc/cpuinfo")
    intel = described.is_file() and "GenuineIntel" in described.read_text(encoding="utf-8")
    return AVAILABLE and not (intel and torch.backends.mkl.is_available())


def multiply_faster(model: nn.Module) -> None:
    """Use the fastest multiplication for the model's linear layers; parameters and their names do not change."""
    if is_faster():
        multiply_by(OneDNNLinear, model)
    elif torch.backends.mkl.is_available():
        multiply_by(TransposedLinear, model)


def multiply_by(kind: type[PackedLinear], model: nn.Module) -> None:
    """Change the class of the model's linear layers to `kind`."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = kind


def row_multiple(model: nn.Module) -> int:
    """The multiple to which rows should be padded: ROWS if oneDNN multiplies a weight in the present context, else 1.

    oneDNN compiles a kernel for each number of rows and shape of weights. Kernels take 4 % of a training step and are
    kept: with 576 x 1,536 weights 0.6 MB for each number of rows in sampling and 1.3 to 1.8 MB in training, 0.08 GB in
    each of the first iterations of SmolLM2 (135 M parameters), with padding 0.04.
    """
    layers = (module for module in model.modules() if isinstance(module, nn.Linear))
    return ROWS if any(_is_multiplied_by_onednn(layer) for layer in layers) else 1


@contextmanager
def packed_weights(model: nn.Module) -> Iterator[None]:
    """Pack the weights once for all forward passes in the context; they must not change in it."""
    layers = [module for module in model.modules() if isinstance(module, PackedLinear)]
    for layer in layers:
        if _is_multiplied_in_bfloat16(layer.weight):
            layer.halved = _pack(layer.weight.detach().bfloat16())
        elif _fits(layer.weight) and not torch.is_autocast_enabled("cpu"):  # autocast multiplies its own copies
            layer.packed = layer.pack()
    try:
        yield
    finally:
        for layer in layers:
            layer.packed = layer.halved = None


class PackedLinear(nn.Linear):
    """`nn.Linear` whose weight can be packed for sampling: `packed` in single precision, `halved` in bfloat16."""

    packed: Tensor | None = None
    halved: Tensor | None = None

    def pack(self) -> Tensor:
        """The weight in the format of `multiply_packed`."""
        raise NotImplementedError

    def multiply_packed(self, rows: Tensor, packed: Tensor) -> Tensor:
        """[R, I] -> [R, O]"""
        raise NotImplementedError

    def multiply(self, states: Tensor) -> Tensor:
        """The product with the unpacked weight, with gradients.  [.., I] -> [.., O]"""
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
    """Multiplies by BLAS, with a transposed copy of the weight while sampling."""

    def pack(self) -> Tensor:
        return self.weight.detach().t().contiguous()

    def multiply_packed(self, rows: Tensor, packed: Tensor) -> Tensor:
        return rows @ packed if self.bias is None else torch.addmm(self.bias, rows, packed)


class OneDNNLinear(PackedLinear):
    """Multiplies by oneDNN."""

    def pack(self) -> Tensor:
        return _pack(self.weight.detach())

    def multiply_packed(self, rows: Tensor, packed: Tensor) -> Tensor:
        return _multiply(rows, packed, self.bias, "none", [], "")

    def multiply(self, states: Tensor) -> Tensor:
        return _Product.apply(states, self.weight, self.bias)


def _is_multiplied_by_onednn(layer: nn.Linear) -> bool:
    in_single = isinstance(layer, OneDNNLinear) and _fits(layer.weight) and not torch.is_autocast_enabled("cpu")
    return in_single or _is_multiplied_in_bfloat16(layer.weight)


def _is_multiplied_in_bfloat16(weight: Tensor) -> bool:
    """Whether oneDNN multiplies this weight in bfloat16, as PyTorch does only if the processor supports it."""
    if not (AVAILABLE and weight.device.type == "cpu" and weight.numel() >= SMALLEST and _has_bfloat16()):
        return False
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") == torch.bfloat16 and weight.is_floating_point()
    return weight.dtype == torch.bfloat16


def _is_bfloat16(states: Tensor) -> bool:
    """Whether these inputs are multiplied in bfloat16, by their type or by autocast."""
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
