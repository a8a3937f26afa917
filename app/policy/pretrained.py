"""Checkpoints of transformers, from a folder or the hub."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from app.policy.base import Policy
from app.policy.lora import LoRA


class PretrainedPolicy(Policy):
    """A checkpoint of transformers.

    Args:
        path: a folder, or an id of the hub.
        revision: of the hub's repository.
        dtype: of the weights, such as "float32" or "bfloat16"; "auto" takes the checkpoint's own.
        attention: transformers' attention implementation for ordinary rows.
        adapter: trained in place of the weights; None trains those.
        trust_remote_code: run code that comes with the repository, which it may need; see SECURITY.md.
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
    ) -> None:
        super().__init__(gradient_checkpointing, head_tokens)
        self.path, self.revision, self.dtype, self.attention = path, revision, dtype, attention
        self.adapter = adapter
        self.trust_remote_code = trust_remote_code

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        source: dict[str, Any] = {"revision": self.revision, "trust_remote_code": self.trust_remote_code}
        try:
            config = AutoConfig.from_pretrained(self.path, **source)
            tokenizer = AutoTokenizer.from_pretrained(self.path, **source)
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
