"""Training: prompts and responses concatenated in one row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import pad, scaled_dot_product_attention

from app.compute.attention.layout import Layout, lengths_mask, pick, repeat_heads
from app.compute.attention.parts import AttendInParts, Part, Parts, as_multiplied, has_kernel
from app.compute.attention.varlen import Lines, VarlenPart, agrees, is_supported


@dataclass(frozen=True)
class PackedRow:
    """P prompts and B responses concatenated in one row of L tokens, each token once.

    A prompt's last token predicts the first token of every response, so it begins every response's
    segment and is not in the shared part: prompt[:-1] for each prompt, then prompt[-1], response[:-1]
    for each response, with positions that continue from its prompt. A token's logits are thus those of
    the padded row [prompt, response].

    Attributes:
        input_ids: `[1, L]`; the row may end in padding, which nothing attends to.
        position_ids: `[1, L]`, or with one more axis before these for a model with several positions per token.
        targets: `[M]`, the token that each of the M tokens after the prompts' predicts.
        prefix: the layout of the prompts' tokens, a line of up to S for each prompt.
        segment: the layout of the responses' tokens, a line of up to T for each response.
        problem: `[B]`, the prompt of each response.
    """

    input_ids: Tensor
    position_ids: Tensor
    targets: Tensor
    prefix: Layout
    segment: Layout
    problem: Tensor

    @classmethod
    def pack(
        cls,
        prompts: list[Tensor],
        problem: Tensor,
        tokens: Tensor,
        mask: Tensor,
        positions: list[Tensor] | None = None,
        multiple: int = 1,
    ) -> PackedRow:
        """prompts: P of [S]; problem: [B]; tokens, mask: [B, T].  Prompts without a response are left out.

        positions: of each prompt's tokens, P of [.., S]; defaults to 0, 1, 2, ..
        multiple: L is rounded up to a multiple of it.
        """
        used, problem = problem.unique(return_inverse=True)
        chosen = [prompts[index].to(tokens.device) for index in used.tolist()]
        if positions is None:
            positions = [torch.arange(len(prompt), device=tokens.device) for prompt in prompts]
        places = [positions[index] for index in used.tolist()]
        shared = [prompt[:-1] for prompt in chosen]
        prefix_mask = lengths_mask([len(prompt) for prompt in shared], tokens.device)
        last = torch.stack([prompt[-1] for prompt in chosen])[problem]
        inputs = torch.cat([last[:, None], tokens[:, :-1]], dim=1)

        start = torch.stack([place[..., -1] for place in places], -1)[..., problem, None]  # [.., B, 1]
        responses = (start + torch.arange(tokens.shape[1], device=tokens.device))[..., mask]  # [.., M]
        ids = torch.cat([*shared, inputs[mask]])
        end = (0, -len(ids) % multiple)
        return cls(
            input_ids=pad(ids, end)[None],
            position_ids=pad(torch.cat([*(place[..., :-1] for place in places), responses], -1), end)[..., None, :],
            targets=tokens[mask],
            prefix=Layout.of(prefix_mask),
            segment=Layout.of(mask, first=int(prefix_mask.sum())),
            problem=problem,
        )

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Prompts attend causally to themselves, responses to their prompt and to their own past."""
        query, key, value = as_multiplied(query, key, value)
        length = len(self.prefix.home) + len(self.targets)
        query, key, value = (states[0, :, :length].transpose(0, 1) for states in (query, key, value))  # [.., heads, D]
        parts = self._parts_for(query, key, value)
        seen: Tensor
        if parts is None:
            seen = self._attend_at_once(query, key, value, scale)
        else:
            seen = AttendInParts.apply(query, key, value, parts, scale)
        return pad(seen, (0, 0, 0, 0, 0, self.input_ids.shape[1] - length))[None]

    def _parts_for(self, query: Tensor, key: Tensor, value: Tensor) -> Parts | None:
        """The parts for which there is a kernel; None if there is none for these tensors."""
        if has_kernel(query, key, value):
            return self.parts
        if not is_supported(query, key, value) or self.varlen is None:
            return None
        shape = query.shape[1], key.shape[1], query.shape[2]
        return self.varlen if agrees(error_of_varlen, query.device, query.dtype, *shape) else None

    def _attend_at_once(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attention where a kernel for parts is missing: each response with repeated keys of its prompt and its own.

        [L, H, D], twice [L, G, D] -> [L, H, D]
        """
        key, value = repeat_heads(key, query.shape[1], 1), repeat_heads(value, query.shape[1], 1)
        parts = []
        if self.prefix.places.shape[1]:
            queries, keys, values = (self.prefix.arrange(states).transpose(1, 2) for states in (query, key, value))
            seen = scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=scale)  # [P, H, S, D]
            parts.append(self.prefix.collect(seen.transpose(1, 2)))
        context = torch.cat([self.prefix.places[self.problem], self.segment.places], dim=1)  # [B, S + T]
        keys, values = (pick(states, context).transpose(1, 2) for states in (key, value))
        queries = self.segment.arrange(query).transpose(1, 2)
        seen = scaled_dot_product_attention(queries, keys, values, attn_mask=self.mask, scale=scale)  # [B, H, T, D]
        return torch.cat([*parts, self.segment.collect(seen.transpose(1, 2))])

    @cached_property
    def mask(self) -> Tensor:
        """Allows a response its prompt and its own past.  [B, 1, T, S + T], bool"""
        lines, width = self.segment.mask.shape
        causal = torch.ones(width, width, dtype=torch.bool, device=self.problem.device).tril()
        shared = self.prefix.mask[self.problem][:, None].expand(-1, width, -1)
        return torch.cat([shared, causal.expand(lines, -1, -1)], dim=-1)[:, None]

    @cached_property
    def parts(self) -> Parts:
        responses = Part(self.segment, self.segment, causal=True)
        if not self.prefix.places.shape[1]:
            return Parts(responses)
        lines = lengths_mask(self._queries_of_prompts, self.problem.device)
        across = Layout.of(lines, first=len(self.prefix.home), order=self._by_prompt)
        return Parts(responses, Part(self.prefix, self.prefix, causal=True), Part(across, self.prefix))

    @cached_property
    def varlen(self) -> Parts | None:
        """The parts for lines without padding; None if some prompts have one token, and thus no shared part."""
        device, shared = self.problem.device, self.prefix.mask.sum(1).tolist()
        own = Lines.of(self.segment.mask.sum(1).tolist(), device, first=sum(shared))
        responses = VarlenPart(own, own, causal=True)
        if not any(shared):
            return Parts(responses)
        if not all(shared):
            return None
        prompts, queries = Lines.of(shared, device), Lines.of(self._queries_of_prompts, device, first=sum(shared))
        across = VarlenPart(queries, prompts, order=self._by_prompt)
        return Parts(responses, VarlenPart(prompts, prompts, causal=True), across)

    @cached_property
    def _prompt_of_tokens(self) -> Tensor:
        """The prompt of each response token.  [M]"""
        return self.problem[:, None].expand_as(self.segment.mask)[self.segment.mask]

    @property
    def _by_prompt(self) -> Tensor:
        """Response tokens sorted by prompt.  [M], indices"""
        return self._prompt_of_tokens.argsort(stable=True)

    @property
    def _queries_of_prompts(self) -> list[int]:
        """The number of response tokens of each prompt."""
        return self._prompt_of_tokens.bincount(minlength=len(self.prefix.mask)).tolist()


def error_of_varlen(device: torch.device, dtype: torch.dtype, heads: int, groups: int, size: int) -> float:
    """Attention by `varlen.py` against attention with repeated keys, on two prompts with three responses.

    -> the largest difference of outputs and gradients, relative to the largest value of each
    """
    mask = lengths_mask([7, 40, 150], device)
    prompts = [torch.zeros(length, dtype=torch.long, device=device) for length in (20, 140)]
    row = PackedRow.pack(prompts, torch.tensor([1, 0, 1], device=device), mask.long(), mask)
    generator, length = torch.Generator().manual_seed(0), row.input_ids.shape[1]
    drawn = torch.randn(length, 2 * heads + 2 * groups, size, generator=generator)
    query, key, value, grad = drawn.to(device, dtype).split([heads, groups, groups, heads], 1)
    assert row.varlen is not None
    unchanged = saved_tensors_hooks(lambda saved: saved, lambda saved: saved)  # not those of a checkpointed layer
    with torch.inference_mode(False), torch.enable_grad(), unchanged:
        states = [each.clone().requires_grad_() for each in (query, key, value)]
        found: list[list[Tensor]] = []
        by_lines: Tensor = AttendInParts.apply(*states, row.varlen, None)
        for seen in (by_lines, row._attend_at_once(query=states[0], key=states[1], value=states[2], scale=None)):
            found.append([seen.detach(), *torch.autograd.grad(seen, states, grad.clone())])
        ours, usual = found
        return max(float((one - other).abs().max() / other.abs().max()) for one, other in zip(ours, usual, strict=True))
