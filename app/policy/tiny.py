"""A policy with random weights that is small enough for a laptop."""

from __future__ import annotations

import string
from typing import Any

from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from app.policy.base import Policy
from app.types import Prompt
from app.types.pictures import pictures_of


class TinyPolicy(Policy):
    """A small Qwen2 model with random weights and one token for each character.

    Args:
        alphabet: the characters of its vocabulary; ASCII only.
        hidden_size: width of the model, divisible by num_heads.
        num_layers: number of layers.
        num_heads: attention heads of a layer.
        intermediate_size: width of the MLP.
        context_length: positions, prompt and response together.
        rope_theta: base of the rotary position embeddings; small because contexts are short.
    """

    def __init__(
        self,
        alphabet: str = string.printable[:95] + "\n",
        hidden_size: int = 64,
        num_layers: int = 4,
        num_heads: int = 4,
        intermediate_size: int = 128,
        context_length: int = 512,
        rope_theta: float = 100.0,
        gradient_checkpointing: bool = False,
        head_tokens: int | None = None,
    ) -> None:
        super().__init__(gradient_checkpointing, head_tokens)
        if len(set(alphabet)) != len(alphabet) or not alphabet or not alphabet.isascii():
            raise ValueError(f"alphabet={alphabet!r} must hold at least one character, ASCII only and none twice")
        if num_heads < 1 or hidden_size % (2 * num_heads):
            raise ValueError(f"hidden_size={hidden_size} must be a multiple of 2 x num_heads={num_heads}")
        for name, value in {"num_layers": num_layers, "context_length": context_length}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.alphabet = alphabet
        self.shape = {
            "hidden_size": hidden_size,
            "num_hidden_layers": num_layers,
            "num_attention_heads": num_heads,
            "num_key_value_heads": num_heads,
            "intermediate_size": intermediate_size,
            "max_position_embeddings": context_length,
            "rope_parameters": {"rope_type": "default", "rope_theta": rope_theta},
            "tie_word_embeddings": False,
        }

    def encode(self, prompt: Prompt) -> Tensor:
        if pictures_of(prompt):
            return super().encode(prompt)  # which raises
        joined = "" if isinstance(prompt, str) or self.tokenizer.chat_template else "\n"
        self._check(
            "prompt", prompt if isinstance(prompt, str) else "".join(message["content"] for message in prompt) + joined
        )
        return super().encode(prompt)

    def spell(self, text: str) -> list[int]:
        self._check("answer", text)
        return super().spell(text)

    def _check(self, where: str, text: str) -> None:
        unknown = sorted(set(text) - set(self.alphabet))
        if unknown:  # the tokenizer would drop them silently
            raise ValueError(
                f"the policy's alphabet lacks {''.join(unknown)!r}, which stand in the {where} {text!r:.80}"
            )

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        tokenizer: Any = character_tokenizer(self.alphabet)
        tokenizer.split_special_tokens = True
        config = Qwen2Config(
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            **self.shape,
        )
        return Qwen2ForCausalLM(config), tokenizer


def character_tokenizer(alphabet: str) -> PreTrainedTokenizerBase:
    """A tokenizer of one token per ASCII character, in the order given, after `<pad>`, `<eos>` and `<unk>`.

    It is Qwen2's byte-level BPE without merges, because transformers loads every saved Qwen2 model with
    that class, whatever its folder says: another tokenizer would not be read back correctly.
    """
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    symbols = [byte_level.pre_tokenize_str(character)[0][0] for character in alphabet]
    special = ["<pad>", "<eos>", "<unk>"]
    vocabulary = {token: index for index, token in enumerate([*special, *symbols])}
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
