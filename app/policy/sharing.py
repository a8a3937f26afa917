"""Tests whether a model gives exact results if a prompt is read once for all its responses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from app.compute.attention import PackedRow, SharedPrefix
from app.types import Experience, Vision

log = logging.getLogger(__name__)


class Packs(Protocol):
    """The methods of a policy that are used here: hidden states from one packed row, and from padded rows."""

    model: PreTrainedModel

    def probes(self, lengths: Sequence[int], /) -> tuple[list[Tensor], list[Vision]]: ...
    def pack(self, rows: Experience, /) -> PackedRow: ...
    def packed_hidden(self, row: PackedRow, shared_prefix: SharedPrefix, rows: Experience, /) -> Tensor: ...
    def plain_hidden(self, rows: Experience, /) -> Tensor: ...
    def plain_inputs(self, ids: Tensor, starts: Tensor, vision: Sequence[Vision], /) -> dict[str, Any]: ...
    def hidden(self, **inputs: Any) -> Tensor: ...
    def logits(self, hidden: Tensor, /) -> Tensor: ...
    def forward_logits(self, prompt: Tensor, vision: Vision, /) -> Tensor: ...


@torch.no_grad()
def can_share_prompts(policy: Packs) -> bool:
    """Compare the results for a few responses; architectures with other attention must use padded rows.

    Raises:
        UnknownHeadError: padded rows give wrong logits too, or the model's own logits are not finite.
    """
    model, name = policy.model, type(policy.model).__name__
    training = model.training
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or [])
    try:
        model.eval()
        rows = _few_rows(policy)
        _check_head(policy, rows)
        if kinds - {"full_attention", "attention"}:
            raise NotImplementedError(f"it has layers of the kinds {sorted(kinds)}")
        with torch.autocast(model.device.type, enabled=False):
            attention = RecordedAttention(policy.pack(rows))
            plain = policy.plain_hidden(rows)
            gap = (policy.packed_hidden(attention.row, attention, rows) - plain).abs().max().item()
            attention.check()
    except UnknownHeadError:
        raise
    except (TypeError, ValueError, LookupError, RuntimeError, AttributeError) as error:
        log.warning("%s can't share a prompt between responses (%s); using one row each", name, error)
        return False
    finally:
        model.train(training)
    same = gap <= (1e-3 if model.dtype == torch.float32 else 5e-2) * plain.abs().max().item()
    if not same:
        log.warning("%s gives other states (by %.1e) with a shared prompt; using one row each", name, gap)
    return same


def _few_rows(policy: Packs) -> Experience:
    """Four responses of random tokens, two to each of two prompts."""
    prompts, vision = policy.probes((5, 2))
    device = policy.model.device
    size, generator = min(1000, policy.model.config.get_text_config().vocab_size), torch.Generator().manual_seed(1)
    tokens = torch.randint(size, (4, 3), generator=generator).to(device)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=torch.bool, device=device)
    return Experience(prompts, torch.tensor([0, 0, 1, 1], device=device), tokens, mask, mask.float(), vision=vision)


def _check_head(policy: Packs, rows: Experience) -> None:
    """Raise if hidden states and LM head do not give the model's own logits of the first prompt."""
    prompt, vision = rows.prompts[0], rows.vision_or_empty[0]
    start = torch.tensor([len(prompt)], device=prompt.device)
    own = policy.forward_logits(prompt, vision)
    if not own.isfinite().all():
        raise UnknownHeadError(
            f"{type(policy.model).__name__} gives logits that are not finite: its weights are damaged"
        )
    ours = policy.logits(policy.hidden(**policy.plain_inputs(prompt[None], start, [vision])))
    if own.shape != ours.shape or not (own - ours).abs().max() <= 1e-2 * own.abs().max():
        raise UnknownHeadError(f"{type(policy.model).__name__} does more to its logits than passk knows of")


class UnknownHeadError(ValueError):
    """The architecture's logits cannot be computed from its hidden states."""


class RecordedAttention:
    """Attention of the packed row that records which layers called it."""

    def __init__(self, row: PackedRow) -> None:
        self.row = row
        self.layers: list[int] = []

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        self.layers.append(layer)
        return self.row.attend(layer, query, key, value, scale)

    def check(self) -> None:
        """Raise unless layers called it, each once: a cache has one entry per layer."""
        if not self.layers or len(set(self.layers)) < len(self.layers):
            raise NotImplementedError(f"its layers attend in the order {self.layers}")
