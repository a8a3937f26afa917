"""The base class of policies: a causal language model of transformers and its tokenizer.

Only this package and the engine that samples with the model use transformers' model classes.
Log-probabilities are computed on response positions only: the prompt is read once for all its responses
(`app/compute/attention/`), and the LM head is applied to responses only, in chunks.
"""

from __future__ import annotations

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from app.compute.allocation import reuse_freed_memory
from app.compute.attention import PackedRow, SharedPrefix, attending, recomputing_alike
from app.compute.linear import multiply_faster, row_multiple
from app.compute.token_scores import Shaping, token_scores
from app.distributed.processes import rank
from app.distributed.weights import save_weights
from app.policy.lora import LoRA, leave_out_frozen
from app.policy.sharing import can_share_prompts
from app.policy.text import DAY, TokenizerMixin
from app.types import Experience, Vision

log = logging.getLogger(__name__)

HEAD_BYTES = 2**29
"""Bytes for the logits of the response tokens in one chunk of the LM head, if `head_tokens` is not given."""
HEAD_BYTES_A_LOGIT = 8
"""Bytes of a logit and its gradient, in single precision."""


class Policy(TokenizerMixin, nn.Module, ABC):
    """A causal LM that is built in Lightning's `configure_model` and computes log-probabilities of responses.

    Args:
        gradient_checkpointing: keep only layer inputs for the backward pass and recompute the rest.
        head_tokens: response tokens in one chunk of the LM head; bounds the logits in memory to head_tokens x
            vocabulary. None: as many as fit into half a gigabyte, at most 4096.
    """

    model: PreTrainedModel
    adapter: LoRA | None = None

    def __init__(self, gradient_checkpointing: bool = False, head_tokens: int | None = None) -> None:
        super().__init__()
        if head_tokens is not None and head_tokens < 1:
            raise ValueError(f"head_tokens={head_tokens} must be at least 1")
        self.gradient_checkpointing = gradient_checkpointing
        self._head_tokens = head_tokens
        self._shares_prompts: bool | None = None

    @abstractmethod
    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Return the model and its tokenizer."""

    def build(self) -> None:
        """Load the model; a second call does nothing."""
        if hasattr(self, "tokenizer"):
            return
        self.model, self.tokenizer = self.load()
        self.check_template_kwargs()
        if self.asks_for_the_day and rank() == 0:
            log.info("the chat template writes the date into prompts: it always gets %s", f"{DAY:%d %b %Y}")
        _disable_dropout(self.model)
        if self.adapter is not None:
            self.adapter.add(self.model)
            leave_out_frozen(self)
        multiply_faster(self.model)
        reuse_freed_memory()
        if self.gradient_checkpointing:
            contexts = partial(recomputing_alike, self.model)
            self.model.gradient_checkpointing_enable({"use_reentrant": False, "context_fn": contexts})
        self.model.train()  # loaded in evaluation mode, without gradient checkpointing

    @property
    def head_tokens(self) -> int:
        """Response tokens in one chunk of the LM head."""
        if self._head_tokens is not None:
            return self._head_tokens
        fitting = HEAD_BYTES // (HEAD_BYTES_A_LOGIT * self.model.config.get_text_config().vocab_size)
        return max(1, min(4096, fitting))

    @property
    def context_length(self) -> int:
        """The number of positions that the model supports."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 2**31

    def save(self, folder: str | Path) -> None:
        """Write a transformers folder; an adapter is merged into the weights, and also written as `adapter/`.

        A collective of all processes; the first writes.
        """
        save_weights(self.model, folder)
        if self.adapter is not None:
            self.adapter.save(self.model, Path(folder) / "adapter")
        if rank() == 0:
            self.save_processor(folder)

    def save_processor(self, folder: str | Path) -> None:
        """Write the tokenizer (or processor) into a transformers folder."""
        self.tokenizer.save_pretrained(folder)

    # -- log-probabilities ------------------------------------------------------------------------

    def logprobs(self, rows: Experience) -> Tensor:
        """Log-probability of every response token at the rows' temperature; 0 on padding.  -> [B, T]"""
        return self.score(rows)[0]

    def entropy(self, rows: Experience) -> Tensor:
        """Entropy in nats of every response token's distribution; 0 on padding.  -> [B, T]"""
        return self.score(rows, with_entropy=True)[1]

    def score(
        self, rows: Experience, with_entropy: bool = False, shaping: Shaping | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of response tokens.  -> [B, T] twice; entropies 0 unless asked for

        shaping: changes gradients of log-probabilities, `[B, T]`.
        """
        hidden = self._packed_hidden(rows) if self.shares_prompts else self.plain_hidden(rows)
        number = len(hidden)
        more = -number % row_multiple(self.model)
        hidden, targets = pad(hidden, (0, 0, 0, more)), pad(rows.tokens[rows.mask], (0, more))  # [M + more, ..]
        checkpointed = torch.is_grad_enabled() and len(hidden) > self.head_tokens
        flat = None if shaping is None else shaping[rows.mask].padded(more)
        parts = []
        for first in range(0, max(1, len(hidden)), self.head_tokens):
            part = slice(first, first + self.head_tokens)
            arguments = (hidden[part], targets[part], rows.temperature, with_entropy, flat and flat[part])
            if checkpointed:
                parts.append(checkpoint(self._score_tokens, *arguments, use_reentrant=False))
            else:
                parts.append(self._score_tokens(*arguments))
        logprobs, entropies = (torch.cat(values)[:number] for values in zip(*parts, strict=True))  # [M] twice
        blank = logprobs.new_zeros(rows.mask.shape)
        return blank.masked_scatter(rows.mask, logprobs), blank.masked_scatter(rows.mask, entropies)

    def _score_tokens(
        self, hidden: Tensor, targets: Tensor, temperature: float, with_entropy: bool, shaping: Shaping | None
    ) -> tuple[Tensor, Tensor]:
        """[M, hidden], [M] -> [M] twice"""
        return token_scores(self.logits(hidden), targets, temperature, with_entropy, shaping)

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the LM head, and the scaling or soft-capping of some architectures.  [.., hidden] -> [.., V]"""
        config = self.model.config.get_text_config()
        head: Any = self.model.get_output_embeddings()
        logits = head(hidden)
        for name in ("logit_scale", "lm_head_multiplier"):  # Cohere, Falcon-H1
            if (factor := getattr(config, name, None) or 1.0) != 1:  # a factor of 1 would cost a pass over all logits
                logits = logits * factor
        if (scaling := getattr(config, "logits_scaling", None) or 1.0) != 1:  # Granite
            logits = logits * scaling if config.model_type == "hyperclovax" else logits / scaling
        cap = getattr(config, "final_logit_softcapping", None) or getattr(config, "logits_soft_cap", None)  # Gemma
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def hidden(self, input_ids: Tensor | None = None, **inputs: Any) -> Tensor:
        """The last hidden states, before the LM head.  [R, L] -> [R, L, hidden]"""
        return self.body(input_ids=input_ids, **inputs).last_hidden_state

    def inputs(self, ids: Tensor, of_prompts: Tensor, vision: Sequence[Vision]) -> dict[str, Any]:
        """The model's inputs for tokens.  ids: [R, L]; of_prompts: bool [R, L], true on prompt tokens

        vision: the prompts' pictures, in the order of the prompts.
        """
        return {"input_ids": ids}

    def positions(self, prompt: Tensor, vision: Vision) -> Tensor:
        """Position ids of a prompt; those of a response continue from its last.  [L] -> [L], or with one more axis"""
        return torch.arange(len(prompt), device=prompt.device)

    @property
    def body(self) -> nn.Module:
        """The model without the LM head; Llama 4's `base_model_prefix` names no attribute."""
        body: Any = self.model.base_model
        return body if body is not self.model else body.model

    def accepts(self, argument: str) -> bool:
        """Whether the model's forward has this argument."""
        return argument in inspect.signature(self.body.forward).parameters

    def forward_logits(self, prompt: Tensor, vision: Vision) -> Tensor:
        """Logits by the model's own unchanged forward.  [L] -> [1, L, V]"""
        return self.model(input_ids=prompt[None]).logits

    def probes(self, lengths: Sequence[int], vocabulary: int = 1000) -> tuple[list[Tensor], list[Vision]]:
        """Prompts for testing the model: random tokens below `vocabulary`, of these lengths."""
        generator = torch.Generator().manual_seed(0)
        size = min(vocabulary, self.model.config.get_text_config().vocab_size)
        prompts = [torch.randint(size, (length,), generator=generator) for length in lengths]
        return [prompt.to(self.model.device) for prompt in prompts], [{} for _ in prompts]

    def _packed_hidden(self, rows: Experience) -> Tensor:
        """Hidden states that predict the response tokens; each prompt is computed once.  -> [M, hidden]"""
        row = self.pack(rows)
        return self.packed_hidden(row, row, rows)

    def pack(self, rows: Experience) -> PackedRow:
        """Pack the rows into one that has each prompt once."""
        used, problem = rows.problem.unique(return_inverse=True)
        prompts = [rows.prompts[place].to(rows.tokens.device) for place in used.tolist()]
        vision = [rows.vision_or_empty[place] for place in used.tolist()]
        positions = [self.positions(*each) for each in zip(prompts, vision, strict=True)]
        return PackedRow.pack(prompts, problem, rows.tokens, rows.mask, positions, row_multiple(self.model))

    def packed_hidden(self, row: PackedRow, shared_prefix: SharedPrefix, rows: Experience) -> Tensor:
        """The same with attention by `shared_prefix`.  -> [M, hidden]"""
        of_prompts = torch.arange(row.input_ids.shape[1], device=row.input_ids.device) < len(row.prefix.home)
        vision = [rows.vision_or_empty[problem] for problem in rows.problem.unique().tolist()]
        with self.sharing_prompts():
            hidden = self.hidden(
                **self.inputs(row.input_ids, of_prompts[None], vision),
                position_ids=row.position_ids,
                attention_mask=None,
                shared_prefix=shared_prefix,
                use_cache=False,
            )
        first = len(row.prefix.home)
        return hidden[0, first : first + len(row.targets)]

    def plain_hidden(self, rows: Experience) -> Tensor:
        """The same from one padded row for each response.  -> [M, hidden]"""
        parts = [
            torch.cat([rows.prompts[problem].to(tokens.device), tokens[mask]])
            for problem, tokens, mask in zip(rows.problem.tolist(), rows.tokens, rows.mask, strict=True)
        ]
        ids = nn.utils.rnn.pad_sequence(parts, batch_first=True)  # [B, L + T]
        lengths = torch.tensor([len(part) for part in parts], device=ids.device)
        place = torch.arange(ids.shape[1], device=ids.device)
        start = lengths - rows.mask.sum(-1)
        vision = [rows.vision_or_empty[problem] for problem in rows.problem.tolist()]
        inputs = self.plain_inputs(ids, start, vision)
        hidden = self.hidden(**inputs, attention_mask=(place < lengths[:, None]).long(), use_cache=False)
        predicts = (place >= start[:, None] - 1) & (place < lengths[:, None] - 1)
        return hidden[predicts]

    def plain_inputs(self, ids: Tensor, starts: Tensor, vision: Sequence[Vision]) -> dict[str, Any]:
        """The model's inputs for padded rows: each a prompt, up to its `start`, and a response.  [R, L], [R]"""
        return {"input_ids": ids}

    # -- tests of the architecture ----------------------------------------------------------------

    def sharing_prompts(self) -> AbstractContextManager[None]:
        """A context in which the model uses passk's attention (`app/compute/attention/`)."""
        return attending(self.model)

    @property
    def shares_prompts(self) -> bool:
        """Whether the model's results with shared prompts are equal to those on padded rows."""
        if self._shares_prompts is None:
            self._shares_prompts = can_share_prompts(self)
        return self._shares_prompts


def _disable_dropout(model: nn.Module) -> None:
    """Turn dropout off: sampling and training must use the same distribution."""
    for module in model.modules():
        for name, value in vars(module).items():
            if name.endswith("dropout") and isinstance(value, float):
                setattr(module, name, 0.0)
            if name in ("jitter_noise", "router_jitter_noise"):
                setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
