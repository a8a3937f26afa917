"""Text and tokens of a policy: prompts to tokens through a chat template, tokens to text, stop tokens."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Any

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from app.distributed.processes import rank
from app.types import Prompt, Sampling, Vision
from app.types.pictures import pictures_of

log = logging.getLogger(__name__)

DAY = datetime(2024, 7, 26)
"""The date that chat templates get on every day; Llama 3's default."""


class TokenizerMixin:
    """Methods of a policy that use its tokenizer.

    Attributes:
        model: its generation config has the end-of-sequence tokens.
        tokenizer: a tokenizer of transformers.
        chat_template_kwargs: further arguments of the chat template.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    chat_template_kwargs: dict[str, Any] = {}  # noqa: RUF012 (never changed in place)
    told_of_form = False

    def encode_with_vision(self, prompt: Prompt) -> tuple[Tensor, Vision]:
        """A prompt's tokens [L], and the model's inputs for its pictures: none for a text model."""
        return self.encode(prompt), {}

    def encode(self, prompt: Prompt) -> Tensor:
        """A prompt's tokens; a chat goes through the chat template.  -> [L]

        If a chat ends with an assistant message, the policy continues that message.
        Without a chat template, messages are joined by blank lines.

        Raises:
            ValueError: for a prompt that the tokenizer or its template rejects, or that has a token without an
                embedding in the model.
        """
        if pictures_of(prompt):
            raise ValueError(f"{type(self).__name__} can't read the prompt's pictures: app.policy.VisionPolicy does")
        if not isinstance(prompt, str) and self.tokenizer.chat_template is None:
            self._warn_of_form(
                "prompts are chats, and the policy's tokenizer has no chat template, as a base model's has none: their "
                "messages are joined by blank lines"
            )
            prompt = "\n\n".join(message["content"] for message in prompt) + "\n\n" * (not has_begun(prompt))
        tokenizer: Any = self.tokenizer
        if isinstance(prompt, str) and tokenizer.chat_template is not None:
            self._warn_of_form(
                "prompts are plain text, and the policy's tokenizer has a chat template: an instruct model answers "
                "chats; chat.wrap_text=true makes each prompt the user's message"
            )
        tokens = self._encode_text(prompt) if isinstance(prompt, str) else self._encode_chat(prompt)
        if tokens[:2] == [tokenizer.bos_token_id] * 2:  # one in the text, one added to it
            tokens = tokens[1:]
        if not tokens:
            raise ValueError("a prompt without a single token gives the policy nothing to answer")
        unknown = tokenizer.unk_token_id
        regular = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        if unknown is not None and unknown not in regular and unknown in tokens:
            raise ValueError(f"the policy's tokenizer has no token for a part of the prompt {prompt!r:.200}")
        size = self.model.config.get_text_config().vocab_size
        if max(tokens) >= size:
            token = tokenizer.convert_ids_to_tokens(max(tokens))
            raise ValueError(
                f"the prompt has the token {token!r}, number {max(tokens)}, and the policy has embeddings for {size}: "
                "a token added to a tokenizer needs model.resize_token_embeddings"
            )
        return torch.tensor(tokens)

    def _warn_of_form(self, text: str) -> None:
        """Warn, once, of prompts in another form than the model was trained on."""
        if not self.told_of_form and rank() == 0:
            log.warning(text)
        self.told_of_form = True

    def _encode_text(self, text: str) -> list[int]:
        """Tokens without those that the tokenizer appends (`add_eos_token`), since an answer follows."""
        tokenizer: Any = self.tokenizer
        tokens = tokenizer(text)["input_ids"]
        if tokens and tokens[-1] in tokenizer.all_special_ids:
            own = tokenizer(text, add_special_tokens=False)["input_ids"]
            ends = (end for end in range(len(own), len(tokens)) if tokens[end - len(own) : end] == own)
            tokens = tokens[: next(ends, len(tokens))] if own else tokens
        return tokens

    def _encode_chat(self, prompt: tuple[dict[str, Any], ...]) -> list[int]:
        """Tokens by the chat template, with a fixed date."""
        tokenizer: Any = self.tokenizer
        day = {"strftime_now": DAY.strftime} if self.asks_for_the_day else {}
        try:
            return tokenizer.apply_chat_template(
                list(prompt),
                add_generation_prompt=not has_begun(prompt),
                continue_final_message=has_begun(prompt),
                return_dict=False,
                **day,
                **self.chat_template_kwargs,
            )
        except TemplateError as error:
            raise ValueError(f"the policy's chat template refuses the prompt: {error}") from error

    def check_template_kwargs(self) -> None:
        """Raise ValueError for an argument that the chat template does not use."""
        template = str(self.tokenizer.chat_template or "")
        for name in self.chat_template_kwargs:
            if not re.search(rf"\b{re.escape(name)}\b", template):
                none = "there is no chat template" if not template else "the chat template has no such variable"
                raise ValueError(f"chat_template_kwargs: {name!r} has no effect: {none}")

    @property
    def asks_for_the_day(self) -> bool:
        """Whether the chat template writes the current date into prompts."""
        return "strftime_now" in str(self.tokenizer.chat_template)

    def spell(self, text: str) -> list[int]:
        """The tokens of this text as a response."""
        tokenizer: Any = self.tokenizer
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(self, tokens: list[list[int]]) -> list[str]:
        """Each row's text, without special tokens."""
        return self.tokenizer.batch_decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def stop_ids(self, sampling: Sampling) -> list[int]:
        """The tokens that end a completion: the model's end-of-sequence tokens and those of `sampling`."""
        tokenizer: Any = self.tokenizer
        own = self.model.generation_config.eos_token_id if self.model.generation_config else None
        ids = [*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id]
        for name in sampling.stop_tokens:
            token = tokenizer.get_vocab().get(name)
            spelt = [token] if token is not None else tokenizer(name, add_special_tokens=False)["input_ids"]
            if len(spelt) != 1 or (token is None and spelt[0] == tokenizer.unk_token_id):
                raise ValueError(f"stop token {name!r} is not in the policy's vocabulary")
            ids.append(spelt[0])
        return sorted({token for token in ids if token is not None})


def has_begun(prompt: tuple[dict[str, Any], ...]) -> bool:
    """Whether the last message of a chat is the beginning of its answer."""
    return prompt[-1]["role"] == "assistant"
