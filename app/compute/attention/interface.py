"""Registers attention with a shared prompt in transformers.

transformers passes every attention layer's queries, keys and values to a function chosen by name,
with the keyword arguments of the model's forward; passk's function reads `shared_prefix` from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

NAME = "shared_prefix"


class SharedPrefix(Protocol):
    """The object that computes attention for the attention function."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """[1 or rows, H, tokens, D] and twice [.., G, tokens, D] -> [.., tokens, H, D]"""
        ...


def shared_prefix_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    shared_prefix: SharedPrefix | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls in every layer.

    Raises:
        NotImplementedError: the architecture changes the attention scores in a way not implemented here
            (a sliding window, soft-capping, sinks, a position bias).
    """
    bent = [name for name in ("sliding_window", "softcap", "s_aux", "position_bias") if options.get(name) is not None]
    if bent or shared_prefix is None:
        raise NotImplementedError(f"shared-prefix attention does not do {bent or 'without a prefix'}")
    return shared_prefix.attend(getattr(module, "layer_idx", 0), query, key, value, scaling), None


AttentionInterface.register(NAME, shared_prefix_attention)


@contextmanager
def attending(model: PreTrainedModel, name: str = NAME) -> Iterator[None]:
    """A context in which the model uses the attention function of this name."""
    config: Any = model.config.get_text_config()
    usual = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


def recomputing_alike(model: PreTrainedModel) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of gradient checkpointing: a recomputed layer uses the same attention as in the forward pass."""
    config: Any = model.config.get_text_config()
    return nullcontext(), attending(model, config._attn_implementation)
