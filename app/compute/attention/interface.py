"""How transformers comes to attend with a shared prompt.

transformers hands every attention layer's queries, keys and values to a function chosen by name,
together with the keyword arguments of the model's forward; ours reads `shared_prefix` from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

NAME = "shared_prefix"


class SharedPrefix(Protocol):
    """What the attention function is given to attend with."""

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
        NotImplementedError: where the architecture bends the scores in a way that is not done here
            (a sliding window, soft-capping, sinks, a position bias).
    """
    bent = [name for name in ("sliding_window", "softcap", "s_aux", "position_bias") if options.get(name) is not None]
    if bent or shared_prefix is None:
        raise NotImplementedError(f"shared-prefix attention does not do {bent or 'without a prefix'}")
    return shared_prefix.attend(getattr(module, "layer_idx", 0), query, key, value, scaling), None


AttentionInterface.register(NAME, shared_prefix_attention)


@contextmanager
def attending(model: PreTrainedModel, name: str = NAME) -> Iterator[None]:
    """Have the model call the attention function of this name inside the block, its own again after it."""
    config: Any = model.config.get_text_config()
    usual = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


def recomputing_alike(model: PreTrainedModel) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """The contexts of a checkpointed layer: computed again in the backward pass, it attends as it did at first."""
    config: Any = model.config.get_text_config()
    return nullcontext(), attending(model, config._attn_implementation)
