"""Tiny random checkpoints in the shape of the hub's: architecture, tokenizer, chat template, ends of sequence.

Templates are in our words, but for the tokens that make them what they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

GROUPED = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 2048,
}
EXPERTS = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2, "head_dim": 8}

TURN = "{% if add_generation_prompt %}"
CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe of help.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    + TURN
    + "<|im_start|>assistant\n{% endif %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
    "{{ message.content | trim }}<|eot_id|>{% endfor %}"
    + TURN
    + "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
R1 = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content }}{% endif %}"
    "{% if message.role == 'user' %}<｜User｜>{{ message.content }}{% endif %}"
    "{% if message.role == 'assistant' %}<｜Assistant｜>{{ message.content.split('</think>')[-1] }}"
    "<｜end▁of▁sentence｜>{% endif %}{% endfor %}" + TURN + "<｜Assistant｜><think>\n{% endif %}"
)


@dataclass(frozen=True)
class Checkpoint:
    """What stands in such a folder.

    Attributes:
        model_type: transformers' name of the architecture.
        special: its tokens beyond the bytes.
        ends: those that end an answer, by `generation_config.json`.
        end: the tokenizer's own end of sequence.
        template: of chats; None for a base model.
        begin: the token that begins every text; None where texts have none.
        tokenizer_class: as the hub's folder has it, right or wrong.
    """

    model_type: str
    special: tuple[str, ...]
    ends: tuple[str, ...]
    end: str
    template: str | None
    begin: str | None = None
    tokenizer_class: str = "PreTrainedTokenizerFast"
    shape: dict[str, Any] = field(default_factory=lambda: GROUPED)


QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LLAMA = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>",
)  # fmt: skip
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>")
TIED = {**GROUPED, "tie_word_embeddings": True}

CHECKPOINTS = {
    "qwen2.5 instruct": Checkpoint(
        "qwen2", QWEN, ("<|im_end|>", "<|endoftext|>"), "<|im_end|>", CHATML, tokenizer_class="Qwen2Tokenizer"
    ),
    "llama 3 instruct": Checkpoint(
        "llama", LLAMA, ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"), "<|eot_id|>", LLAMA_3, LLAMA[0], shape=TIED
    ),
    "r1 distill qwen": Checkpoint(
        "qwen2", DEEPSEEK, (DEEPSEEK[1],), DEEPSEEK[1], R1, DEEPSEEK[0], tokenizer_class="LlamaTokenizerFast"
    ),
    "qwen3 moe": Checkpoint(
        "qwen3_moe",
        QWEN,
        ("<|im_end|>", "<|endoftext|>"),
        "<|im_end|>",
        CHATML,
        tokenizer_class="Qwen2Tokenizer",
        shape={**GROUPED, **EXPERTS},
    ),
    "llama base": Checkpoint("llama", LLAMA, ("<|end_of_text|>",), "<|end_of_text|>", None, LLAMA[0]),
    "qwen2.5 base": Checkpoint(
        "qwen2", QWEN, ("<|endoftext|>",), "<|endoftext|>", None, tokenizer_class="Qwen2Tokenizer", shape=TIED
    ),
}


def write(name: str, folder: Path) -> Path:
    """The checkpoint of this name, as a folder that transformers reads."""
    checkpoint = CHECKPOINTS[name]
    tokenizer = bytes_and(checkpoint)
    ids = tokenizer.convert_tokens_to_ids
    config = AutoConfig.for_model(
        checkpoint.model_type, vocab_size=len(tokenizer), eos_token_id=ids(checkpoint.end), **checkpoint.shape
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    model.generation_config.eos_token_id = ids(list(checkpoint.ends))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    place = folder / "tokenizer_config.json"
    own = {"tokenizer_class": checkpoint.tokenizer_class, "add_bos_token": checkpoint.begin is not None}
    place.write_text(json.dumps({**json.loads(place.read_text()), **own}))
    return folder


def bytes_and(checkpoint: Checkpoint) -> PreTrainedTokenizerFast:
    """Byte-level BPE without merges, and the special tokens."""
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: index for index, symbol in enumerate(symbols)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in checkpoint.special])
    if checkpoint.begin is not None:
        begin = (checkpoint.begin, tokenizer.token_to_id(checkpoint.begin))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin[0]} $A", special_tokens=[begin])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=checkpoint.begin,
        eos_token=checkpoint.end,
        pad_token=checkpoint.special[0],
        chat_template=checkpoint.template,
    )
