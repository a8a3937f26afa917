"""Attention in parts: the same queries on two sets of keys, combined exactly.

With Z = sum over a part's keys of exp(score), attention over both parts is
(Z1 o1 + Z2 o2) / (Z1 + Z2), so a part must return log Z with its output o. The backward pass of a
part needs from the other parts only the combined o and log Z: with P = exp(score - log Z),
dS = P * (dP - rowsum(dO * o)) (FlashAttention, arXiv:2205.14135, equations of Appendix B; ring
attention, arXiv:2310.01889, passes parts between devices this way).

PyTorch's CPU kernel returns log Z and accepts it; it is called by its private name, because
`scaled_dot_product_attention` does not return log Z. The kernel for GPUs is in `varlen.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from app.compute.attention.layout import Layout, repeat_heads
from app.compute.attention.varlen import VarlenPart

_forward: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
_backward: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu_backward", None)
AVAILABLE = None not in (_forward, _backward)
"""Whether this PyTorch has the kernel under these private names."""
SHORT, SHORTER = 256, 128
"""Keys per line up to which gradients of bfloat16 are computed in single precision, and by matrix products.

The kernel's bfloat16 products are slow for small blocks: 25 lines of 24 tokens take five times as long as in single
precision, 4 of 256 a seventh longer; one of 1,024 takes a fifth less. Matrix products, which need no repeated key
heads, take half the time of the kernel in single precision with 24 keys, 0.7 of it with 96, more than it with 256.
"""


def has_kernel(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether the kernel exists and accepts these tensors: on a CPU, of equal type and head dimension."""
    alike = query.shape[-1] == key.shape[-1] == value.shape[-1] and query.dtype == key.dtype == value.dtype
    return AVAILABLE and alike and query.device.type == "cpu" and query.is_floating_point()


def as_multiplied(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cast to autocast's type, as `scaled_dot_product_attention` does; unchanged without autocast."""
    device = query.device.type
    if not torch.is_autocast_enabled(device):
        return query, key, value
    dtype = torch.get_autocast_dtype(device)
    return query.to(dtype), key.to(dtype), value.to(dtype)


def attend_part(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, bias: Tensor | None = None, causal: bool = False
) -> tuple[Tensor, Tensor]:
    """Output and log Z.  [R, H, C, D], twice [R, H, S, D], bias [R, 1, 1, S] -> [R, H, C, D], [R, H, C]"""
    return _forward(query, key, value, 0.0, causal, attn_mask=bias, scale=scale)


def attend_backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    seen: Tensor,
    log_z: Tensor,
    scale: float | None,
    bias: Tensor | None = None,
    causal: bool = False,
) -> list[Tensor]:
    """Gradients of queries, keys and values, in their type, of `attend_part`'s output `seen`.

    grad, query, seen: [R, H, C, D]; key, value: [R, G, S, D], each head for H / G query heads;
    log_z: [R, H, C]; bias: [R, 1, 1, S].
    """
    dtype, bfloat16 = query.dtype, query.dtype == torch.bfloat16
    if bfloat16 and key.shape[2] <= SHORT:
        grad, query, key, value, seen = (states.float() for states in (grad, query, key, value, seen))
        bias = None if bias is None else bias.float()
    if bfloat16 and key.shape[2] <= SHORTER:
        gradients = _backward_by_products(grad, query, key, value, seen, log_z.float(), scale, bias, causal)
    else:
        heads, groups = query.shape[1], key.shape[1]
        keys, values = repeat_heads(key, heads, 1), repeat_heads(value, heads, 1)
        of_query, *others = _backward(grad, query, keys, values, seen, log_z, 0.0, causal, attn_mask=bias, scale=scale)
        gradients = [of_query, *(other.unflatten(1, (groups, -1)).sum(2) for other in others)]
    return [states.to(dtype) for states in gradients]


def _backward_by_products(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    seen: Tensor,
    log_z: Tensor,
    scale: float | None,
    bias: Tensor | None,
    causal: bool,
) -> list[Tensor]:
    """`attend_backward` in float32: all query heads of a key head are stacked, so that key heads are not repeated."""
    lines, groups = key.shape[:2]
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    with torch.autocast(query.device.type, enabled=False):
        d_out, q, k, v, out = (  # [R G, H / G C, D] and [R G, S, D]
            states.reshape(lines * groups, -1, states.shape[-1]) for states in (grad, query, key, value, seen)
        )
        scores = torch.baddbmm(-log_z.reshape(lines * groups, -1, 1), q, k.transpose(1, 2), alpha=factor)
        if bias is not None:
            scores += bias[:, 0].repeat_interleave(groups, 0)
        shares = scores.exp_()  # P
        if causal:
            shares.view(lines, *query.shape[1:3], -1).tril_()
        d_scores = (torch.bmm(d_out, v.transpose(1, 2)) - (d_out * out).sum(-1, keepdim=True)).mul_(shares)
        gradients = (
            torch.bmm(d_scores, k).mul_(factor),
            torch.bmm(d_scores.transpose(1, 2), q).mul_(factor),
            torch.bmm(shares.transpose(1, 2), d_out),
        )
    return [states.view(like.shape) for states, like in zip(gradients, (query, key, value), strict=True)]


def attend_plainly(
    query: Tensor, key: Tensor, value: Tensor, scale: float, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`attend_part` by matrix products: for any device, and faster for a few queries with their own keys.

    The bias may mask the first key only if it masks all others too.
    """
    scores = (query * scale) @ key.transpose(-1, -2)  # [R, H, C, S]
    scores = (scores if bias is None else scores + bias).to(torch.promote_types(scores.dtype, torch.float32))
    shares = scores.log_softmax(-1)
    log_z = scores[..., 0] - shares[..., 0]  # logsumexp takes ten operations more
    return shares.exp().to(value.dtype) @ value, log_z


def merge(one: Tensor, log_one: Tensor, other: Tensor, log_other: Tensor) -> Tensor:
    """Combine the attention outputs of two parts.  [.., D], [..], [.., D], [..] -> [.., D]"""
    weight = torch.sigmoid(log_other - log_one)[..., None]  # Z_other / (Z_one + Z_other)
    return torch.lerp(one.to(weight.dtype), other.to(weight.dtype), weight).to(one.dtype)


def padding_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bias that masks padded keys; finite, so that a part with only padded keys has weight 0 and gives no NaN."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min / 2)


@dataclass(frozen=True)
class Part:
    """Attention of queries in the lines of one layout to the keys in the same lines of another.

    Attributes:
        causal: queries and keys are the same tokens, with causal attention.
    """

    queries: Layout
    keys: Layout
    causal: bool = False

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> tuple[Tensor, Tensor]:
        """[L, H, D], twice [L, G, D] -> outputs [n, H, D] and log Z [n, H] of the n queries, in the row's order"""
        asking, keys, values = self._lines(query, key, value)
        keys, values = repeat_heads(keys, asking.shape[1], 1), repeat_heads(values, asking.shape[1], 1)
        seen, log_z = attend_part(asking, keys, values, scale, self._bias(query.dtype), self.causal)
        return self.queries.collect(seen.transpose(1, 2)), self.queries.collect(log_z.transpose(1, 2))

    def gradients(
        self, grad: Tensor, seen: Tensor, log_z: Tensor, states: tuple[Tensor, Tensor, Tensor], scale: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """This part's gradients, given the combined outputs and log Z.  -> [n, H, D] and twice [m, G, D]"""
        log_z = self.queries.arrange(log_z).masked_fill_(~self.queries.mask[..., None], float("inf"))  # padding: P = 0
        grad, seen = self.queries.arrange(grad), self.queries.arrange(seen)
        whole = seen.transpose(1, 2), log_z.transpose(1, 2)
        lines, bias = self._lines(*states), self._bias(grad.dtype)
        of_query, *others = attend_backward(grad.transpose(1, 2), *lines, *whole, scale, bias, self.causal)
        of_key, of_value = (self.keys.collect(other.transpose(1, 2)) for other in others)
        return self.queries.collect(of_query.transpose(1, 2)), of_key, of_value

    def _lines(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> [R, H, C, D] and twice [R, G, S, D]"""
        query, key, value = self.queries.arrange(query), self.keys.arrange(key), self.keys.arrange(value)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)

    def _bias(self, dtype: torch.dtype) -> Tensor | None:
        """[R, 1, 1, S], None if no query can attend to padding: it is later in the line, or there is none"""
        if self.causal or bool(self.keys.mask.all()):
            return None
        return padding_bias(self.keys.mask, dtype)[:, None, None]


@dataclass(frozen=True)
class Parts:
    """The attention of a packed row: prompts to themselves, responses to themselves and to their prompts.

    The prompts' tokens come first in the row. If no prompt has more than one token, nothing is shared.
    """

    responses: Part | VarlenPart
    prompts: Part | VarlenPart | None = None
    across: Part | VarlenPart | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> tuple[Tensor, Tensor]:
        """[L, H, D], twice [L, G, D] -> [L, H, D] and log Z [L, H]"""
        seen, log_z = self.responses.attend(query, key, value, scale)
        if self.prompts is None or self.across is None:
            return seen, log_z
        shared, log_shared = self.prompts.attend(query, key, value, scale)
        prompt, log_prompt = self.across.attend(query, key, value, scale)
        seen, log_z = merge(seen, log_z, prompt, log_prompt), torch.logaddexp(log_z, log_prompt)
        return torch.cat([shared, seen]), torch.cat([log_shared, log_z])

    def gradients(self, *given: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of queries, keys and values; arguments as in `Part.gradients`.  -> [L, H, D] and twice [L, G, D]"""
        query, key, value = self.responses.gradients(*given)
        if self.prompts is None or self.across is None:
            return query, key, value
        shared, across = self.prompts.gradients(*given), self.across.gradients(*given)
        return (
            torch.cat([shared[0], query.add_(across[0])]),
            torch.cat([shared[1].add_(across[1]), key]),
            torch.cat([shared[2].add_(across[2]), value]),
        )


class AttendInParts(torch.autograd.Function):
    """`Parts.attend` as an autograd function."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, parts: Parts, scale: float | None) -> Tensor:
        seen, log_z = parts.attend(query, key, value, scale)
        ctx.save_for_backward(query, key, value, seen, log_z)
        ctx.parts, ctx.scale = parts, scale
        return seen

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (grad,) = grads
        *states, seen, log_z = ctx.saved_tensors
        return *ctx.parts.gradients(grad, seen, log_z, tuple(states), ctx.scale), None, None
