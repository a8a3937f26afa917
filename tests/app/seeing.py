"""A tiny random Qwen2.5-VL checkpoint: model, tokenizer, chat template and image processor in one folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from app.policy import VisionPolicy
from tests.app.checkpoints import CHECKPOINTS, GROUPED, QWEN, TURN, bytes_and

PIXELS = 8
"""A side of the square of a picture that makes one token: two patches of four pixels."""

SPECIAL = (*QWEN, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}" + TURN + "<|im_start|>assistant\n{% endif %}"
)
QWEN_VL = replace(CHECKPOINTS["qwen2.5 instruct"], special=SPECIAL, template=TEMPLATE)
EYES = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "patch_size": 4,
    "window_size": 32,
    "fullatt_block_indexes": [1],
}


def write_vision(folder: Path, **text: Any) -> Path:
    """The checkpoint, as a folder that transformers reads."""
    tokenizer = bytes_and(QWEN_VL)
    ids = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    config = Qwen2_5_VLConfig(
        text_config={**GROUPED, "vocab_size": len(tokenizer), "rope_parameters": rope, "bos_token_id": None, **text},
        vision_config={**EYES, "out_hidden_size": text.get("hidden_size", GROUPED["hidden_size"])},
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        eos_token_id=ids(QWEN_VL.end),
    )
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    model.generation_config.eos_token_id = ids(list(QWEN_VL.ends))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor = Qwen2VLImageProcessorPil(
        patch_size=4, size={"shortest_edge": PIXELS**2, "longest_edge": 200 * PIXELS**2}
    )
    processor.save_pretrained(folder)
    return folder


def vision_policy(folder: Path, **arguments: Any) -> VisionPolicy:
    """A built policy of such a checkpoint."""
    policy = VisionPolicy(str(write_vision(folder)), **arguments)
    policy.build()
    return policy
