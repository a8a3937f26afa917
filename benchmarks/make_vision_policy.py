"""Write a small random vision policy: `python -m benchmarks.make_vision_policy DIR [--seed 0]`.

A Qwen2.5-VL of about 200,000 parameters with a tokenizer of one token per character, a chat template and an image
processor, saved as a transformers folder. A square of 8 x 8 pixels is one token.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from benchmarks.make_policy import build_tokenizer

PIXELS = 8
"""The side, in pixels, of the square that makes one token: two patches of four pixels."""

TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEMPLATE = (
    "{% for message in messages %}{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}>{% endfor %}"
)
TEXT = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "mrope_section": [2, 3, 3]},
}
TOWER = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "patch_size": PIXELS // 2,
    "window_size": 4 * PIXELS,
    "fullatt_block_indexes": [1],
}


def build_model(
    tokenizer: PreTrainedTokenizerBase, seed: int, text: dict[str, Any] = TEXT
) -> Qwen2_5_VLForConditionalGeneration:
    """A randomly initialised model for a tokenizer that has TOKENS."""
    start, end, image, video = tokenizer.convert_tokens_to_ids(list(TOKENS))  # type: ignore[misc]
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(seed)
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={**text, **ends, "vocab_size": len(tokenizer)},
            vision_config={**TOWER, "out_hidden_size": text["hidden_size"]},
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
            **ends,
        )
    )


def build_processor() -> Qwen2VLImageProcessorPil:
    """An image processor for pictures of 1 to 400 tokens; others are scaled."""
    return Qwen2VLImageProcessorPil(
        patch_size=PIXELS // 2, size={"shortest_edge": PIXELS**2, "longest_edge": 400 * PIXELS**2}
    )


def make_vision_policy(folder: Path, seed: int = 0) -> int:
    """Write the policy to `folder` and return the number of parameters."""
    tokenizer = build_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS)})
    tokenizer.chat_template = TEMPLATE
    model = build_model(tokenizer, seed)
    for part in (model, tokenizer, build_processor()):
        part.save_pretrained(folder)
    return model.num_parameters()


def main(args: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.make_vision_policy", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(args)
    parameters = make_vision_policy(options.folder, options.seed)
    print(f"{options.folder}: {parameters / 1e6:.2f} million parameters")


if __name__ == "__main__":
    main()
