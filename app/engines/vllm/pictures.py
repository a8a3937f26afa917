"""Pictures for vLLM: the policy's own vision tower sees them, and vLLM is given its states.

So both programs read the same numbers, whatever image processor vLLM would take (torchvision's, where ours is
Pillow's), and vLLM's tower, which it builds all the same, stays idle.
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
        EngineError: where vLLM could not even look at the architecture.
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
"""States are handed over, so that there is no tower to try for the memory it takes, nor pixels to keep; vLLM has the
tokenizer tell which token is a picture's."""


@torch.no_grad()
def prompt_for(policy: Policy, request: Request) -> dict[str, Any]:
    """A prompt as vLLM takes it: one token for each picture, and the states that stand there."""
    if not request.vision:
        return {"prompt_token_ids": request.tokens.tolist()}
    assert isinstance(policy, VisionPolicy)
    shown = {"image_embeds": policy.see([request.vision]).cpu(), "image_grid_thw": request.vision["image_grid_thw"]}
    tokens = policy.folded(request.tokens, request.vision)
    return {"prompt_token_ids": tokens.tolist(), "multi_modal_data": {"image": shown}}


def check_prompt(request: Request, read: list[int]) -> None:
    """Raise EngineError where vLLM has made another prompt of a folded one than the policy has."""
    if request.vision and request.tokens.tolist() != read:
        raise EngineError(
            f"vLLM reads a prompt with pictures in {len(read)} tokens, the policy in {len(request.tokens)}"
        )
