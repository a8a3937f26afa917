"""A tiny random Qwen2.5-VL checkpoint: model, tokenizer, chat template and image processor in one folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.make_vision_policy import TOKENS, build_model, build_processor
from tests.app.checkpoints import CHECKPOINTS, GROUPED, QWEN, TURN, bytes_and

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}" + TURN + "<|im_start|>assistant\n{% endif %}"
)
QWEN_VL = replace(CHECKPOINTS["qwen2.5 instruct"], special=(*QWEN, *TOKENS), template=TEMPLATE)
SHAPE = {**GROUPED, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}}


def write_vision(folder: Path, **text: Any) -> Path:
    """The checkpoint, as a folder that transformers reads; its language model in another shape where that is said."""
    tokenizer = bytes_and(QWEN_VL)
    model = build_model(tokenizer, 0, {**SHAPE, **text})
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(list(QWEN_VL.ends))
    for part in (model, tokenizer, build_processor()):
        part.save_pretrained(folder)
    return folder
