"""What is asked of a policy: a causal language model of transformers and its tokenizer.

Nothing else in passk touches transformers' model classes, but for the engine that samples with
them. Rows are scored on response positions only: the prompt is read once for all its responses
(`app/compute/attention/`) and the LM head, chunk by chunk, never sees it.
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
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from app.compute.allocation import reuse_freed_memory
from app.compute.attention import PackedRow, SharedPrefix, attending, recomputing_alike
from app.compute.linear import multiply_faster
from app.compute.token_scores import Shaping, token_scores
from app.distributed.processes import rank
from app.distributed.weights import save_weights
from app.policy.lora import LoRA, leave_out_frozen
from app.policy.sharing import proves_sharing
from app.policy.text import DAY, TokenizerMixin
from app.types import Experience, Vision

log = logging.getLogger(__name__)

HEAD_BYTES = 2**29
"""For the distributions of the response tokens that meet the LM head at a time, where their number is not given."""
HEAD_BYTES_A_LOGIT = 8
"""It and its gradient, in single precision."""


class Policy(TokenizerMixin, nn.Module, ABC):
    """A causal LM that is built late (inside Lightning's `configure_model`) and scores its own responses.

    Args:
        gradient_checkpointing: keep only layer inputs for the backward pass and compute the rest again.
        head_tokens: response tokens that meet the LM head at a time; bounds the logits held to head_tokens x
            vocabulary. None: at most 4096, and as many as the vocabulary leaves room for in HEAD_BYTES.
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
        """Make the model and its tokenizer."""

    def build(self) -> None:
        """Load once; a second call does nothing."""
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
        self.model.train()  # transformers loads in evaluation mode, in which it checkpoints nothing

    @property
    def head_tokens(self) -> int:
        """Response tokens that meet the LM head at a time."""
        if self._head_tokens is not None:
            return self._head_tokens
        fitting = HEAD_BYTES // (HEAD_BYTES_A_LOGIT * self.model.config.get_text_config().vocab_size)
        return max(1, min(4096, fitting))

    @property
    def context_length(self) -> int:
        """Positions the model was made for."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 2**31

    def save(self, folder: str | Path) -> None:
        """Write an ordinary transformers folder, which has an adapter merged in, and beside it as `adapter/`.

        All processes call it together, and the first writes.
        """
        save_weights(self.model, folder)
        if self.adapter is not None:
            self.adapter.save(self.model, Path(folder) / "adapter")
        if rank() == 0:
            self.save_processor(folder)

    def save_processor(self, folder: str | Path) -> None:
        """Write what makes tokens of a prompt, as a transformers folder has it."""
        self.tokenizer.save_pretrained(folder)

    # -- scores -----------------------------------------------------------------------------------

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

        shaping: of gradients, `[B, T]`.
        """
        hidden = self._packed_hidden(rows) if self.shares_prompts else self.plain_hidden(rows)
        targets = rows.tokens[rows.mask]  # [M]
        checkpointed = torch.is_grad_enabled() and len(hidden) > self.head_tokens
        flat = shaping and shaping[rows.mask]
        parts = []
        for first in range(0, max(1, len(hidden)), self.head_tokens):
            part = slice(first, first + self.head_tokens)
            arguments = (hidden[part], targets[part], rows.temperature, with_entropy, flat and flat[part])
            if checkpointed:
                parts.append(checkpoint(self._score_tokens, *arguments, use_reentrant=False))
            else:
                parts.append(self._score_tokens(*arguments))
        logprobs, entropies = (torch.cat(values) for values in zip(*parts, strict=True))  # [M] twice
        blank = logprobs.new_zeros(rows.mask.shape)
        return blank.masked_scatter(rows.mask, logprobs), blank.masked_scatter(rows.mask, entropies)

    def _score_tokens(
        self, hidden: Tensor, targets: Tensor, temperature: float, with_entropy: bool, shaping: Shaping | None
    ) -> tuple[Tensor, Tensor]:
        """[M, hidden], [M] -> [M] twice"""
        return token_scores(self.logits(hidden), targets, temperature, with_entropy, shaping)

    def logits(self, hidden: Tensor) -> Tensor:
        """The LM head, with what some architectures do to its output.  [.., hidden] -> [.., V]"""
        config = self.model.config.get_text_config()
        head: Any = self.model.get_output_embeddings()
        logits = head(hidden)
        for name in ("logit_scale", "lm_head_multiplier"):  # Cohere, Falcon-H1
            if (factor := getattr(config, name, None) or 1.0) != 1:  # by 1, a pass over all logits for nothing
                logits = logits * factor
        if (scaling := getattr(config, "logits_scaling", None) or 1.0) != 1:  # Granite
            logits = logits * scaling if config.model_type == "hyperclovax" else logits / scaling
        cap = getattr(config, "final_logit_softcapping", None) or getattr(config, "logits_soft_cap", None)  # Gemma
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def hidden(self, input_ids: Tensor | None = None, **inputs: Any) -> Tensor:
        """The last layer's states, before the LM head.  [R, L] -> [R, L, hidden]"""
        return self.body(input_ids=input_ids, **inputs).last_hidden_state

    def inputs(self, ids: Tensor, of_prompts: Tensor, vision: Sequence[Vision]) -> dict[str, Any]:
        """What the model is given of tokens, some of which are prompts'.  [R, L], bool [R, L]

        vision: of the prompts' pictures, in the order in which the prompts stand.
        """
        return {"input_ids": ids}

    def positions(self, prompt: Tensor, vision: Vision) -> Tensor:
        """Where each token of a prompt stands; a response counts on from its last.  [L] -> [L], or an axis more"""
        return torch.arange(len(prompt), device=prompt.device)

    @property
    def body(self) -> nn.Module:
        """All but the LM head; Llama 4 names another prefix than it has."""
        body: Any = self.model.base_model
        return body if body is not self.model else body.model

    def accepts(self, argument: str) -> bool:
        """Does the model's forward take this argument?"""
        return argument in inspect.signature(self.body.forward).parameters

    def forward_logits(self, prompt: Tensor, vision: Vision) -> Tensor:
        """The model's own, with nothing of ours.  [L] -> [1, L, V]"""
        return self.model(input_ids=prompt[None]).logits

    def probes(self, lengths: Sequence[int], vocabulary: int = 1000) -> tuple[list[Tensor], list[Vision]]:
        """Prompts to try the model on: random tokens below `vocabulary`, `lengths` in each."""
        generator = torch.Generator().manual_seed(0)
        size = min(vocabulary, self.model.config.get_text_config().vocab_size)
        prompts = [torch.randint(size, (length,), generator=generator) for length in lengths]
        return [prompt.to(self.model.device) for prompt in prompts], [{} for _ in prompts]

    def _packed_hidden(self, rows: Experience) -> Tensor:
        """States that predict the response tokens, each prompt computed once.  -> [M, hidden]"""
        row = self.pack(rows)
        return self.packed_hidden(row, row, rows)

    def pack(self, rows: Experience) -> PackedRow:
        """The rows as one, in which each prompt stands once."""
        used, problem = rows.problem.unique(return_inverse=True)
        prompts = [rows.prompts[place].to(rows.tokens.device) for place in used.tolist()]
        vision = [rows.vision_or_empty[place] for place in used.tolist()]
        positions = [self.positions(*each) for each in zip(prompts, vision, strict=True)]
        return PackedRow.pack(prompts, problem, rows.tokens, rows.mask, positions)

    def packed_hidden(self, row: PackedRow, shared_prefix: SharedPrefix, rows: Experience) -> Tensor:
        """The same, attending as told.  -> [M, hidden]"""
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
        return hidden[0, -len(row.targets) :]

    def plain_hidden(self, rows: Experience) -> Tensor:
        """The same from one ordinary row for each response.  -> [M, hidden]"""
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
        """What the model is given of ordinary rows, each a prompt up to its `start` and a response.  [R, L], [R]"""
        return {"input_ids": ids}

    # -- what this architecture can do, found out by trying -----------------------------------------

    def sharing_prompts(self) -> AbstractContextManager[None]:
        """Inside, the model's attention is ours (`app/compute/attention/`)."""
        return attending(self.model)

    @property
    def shares_prompts(self) -> bool:
        """Whether this model, with the prompt shared, gives what it gives on ordinary rows."""
        if self._shares_prompts is None:
            self._shares_prompts = proves_sharing(self)
        return self._shares_prompts


def _disable_dropout(model: nn.Module) -> None:
    """Sampling and training must see one distribution."""
    for module in model.modules():
        for name, value in vars(module).items():
            if name.endswith("dropout") and isinstance(value, float):
                setattr(module, name, 0.0)
            if name in ("jitter_noise", "router_jitter_noise"):
                setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
