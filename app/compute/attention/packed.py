"""Training: prompts and responses concatenated in one row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from app.compute.attention.layout import Layout, lengths_mask, pick, repeat_heads
from app.compute.attention.parts import AttendInParts, Part, Parts, as_multiplied, has_kernel


@dataclass(frozen=True)
class PackedRow:
    """P prompts and B responses concatenated in one row of L tokens, each token once.

    A prompt's last token predicts the first token of every response, so it begins every response's
    segment and is not in the shared part: prompt[:-1] for each prompt, then prompt[-1], response[:-1]
    for each response, with positions that continue from its prompt. A token's logits are thus those of
    the padded row [prompt, response].

    Attributes:
        input_ids: `[1, L]`.
        position_ids: `[1, L]`, or with one more axis before these for a model with several positions per token.
        targets: `[M]`, the token that each of the M = L - prefix tokens predicts.
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
        cls, prompts: list[Tensor], problem: Tensor, tokens: Tensor, mask: Tensor, positions: list[Tensor] | None = None
    ) -> PackedRow:
        """prompts: P of [S]; problem: [B]; tokens, mask: [B, T].  Prompts without a response are left out.

        positions: of each prompt's tokens, P of [.., S]; defaults to 0, 1, 2, ..
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
        return cls(
            input_ids=torch.cat([*shared, inputs[mask]])[None],
            position_ids=torch.cat([*(place[..., :-1] for place in places), responses], -1)[..., None, :],
            targets=tokens[mask],
            prefix=Layout.of(prefix_mask),
            segment=Layout.of(mask, first=int(prefix_mask.sum())),
            problem=problem,
        )

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Prompts attend causally to themselves, responses to their prompt and to their own past."""
        query, key, value = as_multiplied(query, key, value)
        query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))  # [L, heads, D]
        if has_kernel(query, key, value):
            seen: Tensor = AttendInParts.apply(query, key, value, self.parts, scale)
            return seen[None]
        return self._attend_at_once(query, key, value, scale)[None]

    def _attend_at_once(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attention where the kernel for parts is missing: each response with repeated keys of its prompt and its own.

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
        asking = self.problem[:, None].expand_as(self.segment.mask)[self.segment.mask]  # [M], the prompt of each token
        lines = lengths_mask(asking.bincount(minlength=len(self.prefix.mask)).tolist(), asking.device)
        across = Layout.of(lines, first=len(self.prefix.home), order=asking.argsort(stable=True))
        return Parts(responses, Part(self.prefix, self.prefix, causal=True), Part(across, self.prefix))
