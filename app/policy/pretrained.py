"""Policies from transformers checkpoints: from a folder, the hub or an installed package."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from app.hub import offline_where_unreachable
from app.policy.base import Policy
from app.policy.lora import LoRA
from app.policy.sources import check_gguf, check_loaded, check_no_adapter, forget_quantization, locate, reason_of
from app.policy.tokenizer_files import load_tokenizer
from app.storage.fetched import check_fetched
from app.types import Prompt


class PretrainedPolicy(Policy):
    """A transformers checkpoint, from a folder, the hub or an installed package.

    Args:
        path: a folder, an id of the hub, or `package:<name>`, the folder of an installed Python package, which is
            found without importing it.
        revision: of the hub's repository.
        dtype: of the weights, such as "float32" or "bfloat16"; "auto" takes the checkpoint's own.
        attention: transformers' attention implementation, used where prompts are not shared.
        adapter: trained instead of the weights; None trains the weights.
        trust_remote_code: run code of the repository, which some models need; see SECURITY.md.
        chat_template_kwargs: further arguments of the chat template, such as `{enable_thinking: false}` (Qwen3) or
            `{date_string: 01 Jan 2026}` (Llama 3). A template that uses the date always gets 26 July 2024,
            so that prompts do not depend on the day.
        gguf_file: the name of a GGUF file in `path`; its weights are dequantized to `dtype` ("auto": float32).
    """

    kind: Any = AutoModelForCausalLM
    """The transformers class that loads the checkpoint."""

    def __init__(
        self,
        path: str,
        revision: str | None = None,
        dtype: str = "auto",
        attention: str = "sdpa",
        adapter: LoRA | None = None,
        trust_remote_code: bool = False,
        gradient_checkpointing: bool = False,
        head_tokens: int | None = None,
        chat_template_kwargs: dict[str, Any] | None = None,
        gguf_file: str | None = None,
    ) -> None:
        super().__init__(gradient_checkpointing, head_tokens)
        check_template_kwargs(chat_template_kwargs or {})
        self.chat_template_kwargs = chat_template_kwargs or {}
        self.path, self.revision, self.dtype, self.attention = path, revision, dtype, attention
        self.adapter = adapter
        self.trust_remote_code = trust_remote_code
        if gguf_file is not None and adapter is not None and adapter.quantization is not None:
            raise ValueError(f"gguf_file={gguf_file!r} with a quantising adapter: LoRA trains over unpacked weights")
        self.gguf_file = gguf_file

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        source: dict[str, Any] = {"revision": self.revision, "trust_remote_code": self.trust_remote_code}
        source |= {} if self.gguf_file is None else {"gguf_file": self.gguf_file}
        try:
            folder = locate(self.path)
            check_gguf(folder, self.gguf_file)
            check_no_adapter(folder)
            check_fetched(*sorted(Path(folder).glob("*")))
            if not Path(folder).is_dir():
                offline_where_unreachable()
            config = AutoConfig.from_pretrained(folder, **source)
            tokenizer = load_tokenizer(folder, **source)
            model, loaded = self.kind.from_pretrained(
                folder,
                config=config,
                dtype=self.dtype,
                attn_implementation=self.attention,
                quantization_config=None if self.adapter is None else self.adapter.quantization,
                ignore_mismatched_sizes=True,  # `check_loaded` raises for them
                output_loading_info=True,
                **source,
            )
            check_loaded(model, loaded)
        except ImportError:
            raise
        except Exception as error:  # transformers raises any class for a broken file
            raise ValueError(f"no policy could be loaded from {self.path!r}: {reason_of(error)}") from error
        if self.gguf_file is not None:
            forget_quantization(model)
        return model, tokenizer

    def encode(self, prompt: Prompt) -> Tensor:
        if self.gguf_file is not None and not isinstance(prompt, str) and self.tokenizer.chat_template is None:
            raise ValueError(
                f"{self.gguf_file} has no chat template, and the prompt is a chat: ask in plain text, or give a "
                "transformers folder that has one"
            )
        return super().encode(prompt)


OWN = {*signature(PreTrainedTokenizerBase.apply_chat_template).parameters} - {"tools", "documents", "kwargs"}
"""Arguments of `apply_chat_template` that are not passed to the template; they are set here."""


def check_template_kwargs(given: dict[str, Any]) -> None:
    """Raise ValueError for arguments that are not for the template."""
    for name in given:
        if name in OWN:
            raise ValueError(f"chat_template_kwargs: {name!r} is not for the chat template")
