"""Pictures for vLLM: the policy's vision tower computes their hidden states, which are passed to vLLM.

Both then use the same numbers; vLLM's image processor would be torchvision's, passk's is Pillow's. vLLM builds its
own vision tower too, but does not use it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from app.engines.base import EngineError
from app.policy import Policy, VisionPolicy
from app.types import Request


def arguments_for(policy: Policy) -> dict[str, Any]:
    """vLLM's arguments for a vision-language policy; empty for a text policy.

    Raises:
        EngineError: vLLM cannot load the architecture.
    """
    if not isinstance(policy, VisionPolicy):
        return {"skip_tokenizer_init": True}
    if find_spec("torchvision") is None:
        raise EngineError("vLLM can't build a vision-language model without torchvision, see docs/pictures.md")
    return SEEING


SEEING = {
    "enable_mm_embeds": True,
    "limit_mm_per_prompt": {"video": 0},
    "skip_mm_profiling": True,
    "mm_processor_cache_gb": 0,
}
"""Hidden states are passed in, so vLLM need not profile the vision tower's memory or cache pixels; vLLM finds the
image token by the tokenizer."""


@torch.no_grad()
def prompt_for(policy: Policy, request: Request) -> dict[str, Any]:
    """A prompt in vLLM's format: one token for each picture, and the pictures' hidden states."""
    if not request.vision:
        return {"prompt_token_ids": request.tokens.tolist()}
    assert isinstance(policy, VisionPolicy)
    shown = {"image_embeds": policy.see([request.vision]).cpu(), "image_grid_thw": request.vision["image_grid_thw"]}
    tokens = policy.folded(request.tokens, request.vision)
    return {"prompt_token_ids": tokens.tolist(), "multi_modal_data": {"image": shown}}


def check_prompt(request: Request, read: list[int]) -> None:
    """Raise EngineError if the prompt that vLLM expanded differs from the policy's."""
    if request.vision and request.tokens.tolist() != read:
        raise EngineError(
            f"vLLM reads a prompt with pictures in {len(read)} tokens, the policy in {len(request.tokens)}"
        )
