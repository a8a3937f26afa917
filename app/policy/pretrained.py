"""Checkpoints of transformers, from a folder or the hub."""

from __future__ import annotations

from inspect import signature
from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from app.policy.base import Policy
from app.policy.lora import LoRA
from app.policy.tokenizer_files import load_tokenizer


class PretrainedPolicy(Policy):
    """A checkpoint of transformers.

    Args:
        path: a folder, or an id of the hub.
        revision: of the hub's repository.
        dtype: of the weights, such as "float32" or "bfloat16"; "auto" takes the checkpoint's own.
        attention: transformers' attention implementation for ordinary rows.
        adapter: trained in place of the weights; None trains those.
        trust_remote_code: run code that comes with the repository, which it may need; see SECURITY.md.
        chat_template_kwargs: further arguments of the chat template, such as `{enable_thinking: false}` (Qwen3) or
            `{date_string: 01 Jan 2026}` (Llama 3). A template that uses the date always gets 26 July 2024,
            so that a run's prompts are the same tomorrow.
    """

    kind: Any = AutoModelForCausalLM
    """Of transformers' classes, the one that loads it."""

    def __init__(
        self,
        path: str,
        revision: str | None = None,
        dtype: str = "auto",
        attention: str = "sdpa",
        adapter: LoRA | None = None,
        trust_remote_code: bool = False,
        gradient_checkpointing: bool = False,
        head_tokens: int = 4096,
        chat_template_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(gradient_checkpointing, head_tokens)
        check_template_kwargs(chat_template_kwargs or {})
        self.chat_template_kwargs = chat_template_kwargs or {}
        self.path, self.revision, self.dtype, self.attention = path, revision, dtype, attention
        self.adapter = adapter
        self.trust_remote_code = trust_remote_code

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        source: dict[str, Any] = {"revision": self.revision, "trust_remote_code": self.trust_remote_code}
        try:
            config = AutoConfig.from_pretrained(self.path, **source)
            tokenizer = load_tokenizer(self.path, **source)
            model = self.kind.from_pretrained(
                self.path,
                config=config,
                dtype=self.dtype,
                attn_implementation=self.attention,
                quantization_config=None if self.adapter is None else self.adapter.quantization,
                **source,
            )
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            reason = "no such folder, nor an id of the hub" if "Repo id" in reason else reason
            raise ValueError(f"no policy could be loaded from {self.path!r}: {reason}") from error
        return model, tokenizer


OWN = {*signature(PreTrainedTokenizerBase.apply_chat_template).parameters} - {"tools", "documents", "kwargs"}
"""Arguments of transformers' `apply_chat_template` that are not the template's, and are set here."""


def check_template_kwargs(given: dict[str, Any]) -> None:
    """Raise ValueError for what is not for the template."""
    for name in given:
        if name in OWN:
            raise ValueError(f"chat_template_kwargs: {name!r} is not for the chat template")
