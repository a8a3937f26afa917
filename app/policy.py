"""The policy: a causal language model of transformers and its tokenizer.

Nothing else in passk touches transformers' model classes, but for the engine that samples with
them. Rows are scored on response positions only: the prompt is read once for all its responses
(`attention.py`) and the LM head, chunk by chunk, never sees it.
"""

from __future__ import annotations

import inspect
import logging
import string
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from app.attention import PackedRow, SharedPrefix, attending, recomputing_alike
from app.linear import use_onednn
from app.types import Experience, Prompt, Sampling

log = logging.getLogger(__name__)


class Policy(nn.Module, ABC):
    """A causal LM that is built late (inside Lightning's `configure_model`) and scores its own responses.

    Args:
        gradient_checkpointing: keep only layer inputs for the backward pass and compute the rest again.
        head_tokens: response tokens that meet the LM head at a time; bounds the logits held to
            head_tokens x vocabulary.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def __init__(self, gradient_checkpointing: bool = False, head_tokens: int = 4096) -> None:
        super().__init__()
        if head_tokens < 1:
            raise ValueError(f"head_tokens={head_tokens} must be at least 1")
        self.gradient_checkpointing = gradient_checkpointing
        self.head_tokens = head_tokens
        self._shares_prompts: bool | None = None

    @abstractmethod
    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Make the model and its tokenizer."""

    def build(self) -> None:
        """Load once; a second call does nothing."""
        if hasattr(self, "tokenizer"):
            return
        self.model, self.tokenizer = self.load()
        _disable_dropout(self.model)
        use_onednn(self.model)
        if self.gradient_checkpointing:
            contexts = partial(recomputing_alike, self.model)
            self.model.gradient_checkpointing_enable({"use_reentrant": False, "context_fn": contexts})
        self.model.train()  # transformers loads in evaluation mode, in which it checkpoints nothing

    # -- text -------------------------------------------------------------------------------------

    def encode(self, prompt: Prompt) -> Tensor:
        """A prompt's tokens, through the chat template where it is a chat.  -> [L]

        Messages for a tokenizer without a chat template are joined by blank lines.
        """
        if not isinstance(prompt, str) and self.tokenizer.chat_template is None:
            prompt = "\n\n".join(message["content"] for message in prompt) + "\n\n"
        tokenizer: Any = self.tokenizer
        if isinstance(prompt, str):
            tokens = tokenizer(prompt)["input_ids"]
        else:
            tokens = tokenizer.apply_chat_template(list(prompt), add_generation_prompt=True, return_dict=False)
        if not tokens:
            raise ValueError("a prompt without a single token gives the policy nothing to answer")
        unknown = tokenizer.unk_token_id
        regular = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        if unknown is not None and unknown not in regular and unknown in tokens:
            raise ValueError(f"the policy's tokenizer has no token for a part of the prompt {prompt!r:.200}")
        return torch.tensor(tokens)

    def spell(self, text: str) -> list[int]:
        """The tokens with which the policy would say this text."""
        tokenizer: Any = self.tokenizer
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(self, tokens: list[list[int]]) -> list[str]:
        """Each row's text, without special tokens."""
        return self.tokenizer.batch_decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def stop_ids(self, sampling: Sampling) -> list[int]:
        """The tokens that end a completion: the model's own ends of sequence and the named ones."""
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

    @property
    def context_length(self) -> int:
        """Positions the model was made for."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 2**31

    def save(self, folder: str | Path) -> None:
        """Write an ordinary transformers folder."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    # -- scores -----------------------------------------------------------------------------------

    def logprobs(self, rows: Experience) -> Tensor:
        """Log-probability of every response token at the rows' temperature; 0 on padding.  -> [B, T]"""
        return self.score(rows)[0]

    def entropy(self, rows: Experience) -> Tensor:
        """Entropy in nats of every response token's distribution; 0 on padding.  -> [B, T]"""
        return self.score(rows, with_entropy=True)[1]

    def score(self, rows: Experience, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of response tokens.  -> [B, T] twice; entropies 0 unless asked for"""
        hidden = self._packed_hidden(rows) if self.shares_prompts else self._plain_hidden(rows)
        targets = rows.tokens[rows.mask]  # [M]
        checkpointed = torch.is_grad_enabled() and len(hidden) > self.head_tokens
        parts = []
        for chunk, target in zip(hidden.split(self.head_tokens), targets.split(self.head_tokens), strict=True):
            arguments = (chunk, target, rows.temperature, with_entropy)
            if checkpointed:
                parts.append(checkpoint(self._score_tokens, *arguments, use_reentrant=False))
            else:
                parts.append(self._score_tokens(*arguments))
        logprobs, entropies = (torch.cat(values) for values in zip(*parts, strict=True))  # [M] twice
        blank = logprobs.new_zeros(rows.mask.shape)
        return blank.masked_scatter(rows.mask, logprobs), blank.masked_scatter(rows.mask, entropies)

    def _score_tokens(
        self, hidden: Tensor, targets: Tensor, temperature: float, with_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        """[M, hidden], [M] -> [M] twice"""
        everything = (self.logits(hidden).float() / temperature).log_softmax(-1)  # [M, V]
        logprobs = everything.gather(-1, targets[:, None])[:, 0]
        entropies = -(everything.exp() * everything).sum(-1) if with_entropy else torch.zeros_like(logprobs)
        return logprobs, entropies

    def logits(self, hidden: Tensor) -> Tensor:
        """The LM head, with what some architectures do to its output.  [.., hidden] -> [.., V]"""
        config = self.model.config.get_text_config()
        head: Any = self.model.get_output_embeddings()
        logits = head(hidden)
        logits = logits * (getattr(config, "logit_scale", None) or 1.0)  # Cohere
        logits = logits * (getattr(config, "lm_head_multiplier", None) or 1.0)  # Falcon-H1
        scaling = getattr(config, "logits_scaling", None) or 1.0
        logits = logits * scaling if config.model_type == "hyperclovax" else logits / scaling  # Granite
        cap = getattr(config, "final_logit_softcapping", None) or getattr(config, "logits_soft_cap", None)  # Gemma
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def hidden(self, input_ids: Tensor, **inputs: Any) -> Tensor:
        """The last layer's states, before the LM head.  [R, L] -> [R, L, hidden]"""
        return self.body(input_ids=input_ids, **inputs).last_hidden_state

    @property
    def body(self) -> nn.Module:
        """All but the LM head; Llama 4 names another prefix than it has."""
        body: Any = self.model.base_model
        return body if body is not self.model else body.model

    def accepts(self, argument: str) -> bool:
        """Does the model's forward take this argument?"""
        return argument in inspect.signature(self.body.forward).parameters

    def _packed_hidden(self, rows: Experience) -> Tensor:
        """States that predict the response tokens, each prompt computed once.  -> [M, hidden]"""
        row = PackedRow.pack(rows.prompts, rows.problem, rows.tokens, rows.mask)
        return self._hidden_of(row, row)

    def _hidden_of(self, row: PackedRow, shared_prefix: SharedPrefix) -> Tensor:
        with self.sharing_prompts():
            hidden = self.hidden(
                row.input_ids,
                position_ids=row.position_ids,
                attention_mask=None,
                shared_prefix=shared_prefix,
                use_cache=False,
            )
        return hidden[0, -len(row.targets) :]

    def _plain_hidden(self, rows: Experience) -> Tensor:
        """The same from one ordinary row for each response.  -> [M, hidden]"""
        parts = [
            torch.cat([rows.prompts[problem].to(tokens.device), tokens[mask]])
            for problem, tokens, mask in zip(rows.problem.tolist(), rows.tokens, rows.mask, strict=True)
        ]
        ids = nn.utils.rnn.pad_sequence(parts, batch_first=True)  # [B, L + T]
        lengths = torch.tensor([len(part) for part in parts], device=ids.device)
        place = torch.arange(ids.shape[1], device=ids.device)
        start = lengths - rows.mask.sum(-1)
        hidden = self.hidden(ids, attention_mask=(place < lengths[:, None]).long(), use_cache=False)
        predicts = (place >= start[:, None] - 1) & (place < lengths[:, None] - 1)
        return hidden[predicts]

    # -- what this architecture can do, found out by trying -----------------------------------------

    def sharing_prompts(self) -> AbstractContextManager[None]:
        """Inside, the model's attention is ours (`attention.py`)."""
        return attending(self.model)

    @property
    def shares_prompts(self) -> bool:
        """Whether this model, with the prompt shared, gives what it gives on ordinary rows."""
        if self._shares_prompts is None:
            self._shares_prompts = self._prove_sharing()
        return self._shares_prompts

    @torch.no_grad()
    def _prove_sharing(self) -> bool:
        """Score a few responses both ways; an architecture that bends attention falls back to ordinary rows."""
        device = self.model.device
        generator = torch.Generator().manual_seed(0)
        size = min(1000, self.model.config.get_text_config().vocab_size)
        draw = lambda *shape: torch.randint(size, shape, generator=generator).to(device)  # noqa: E731
        mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=torch.bool, device=device)
        problem = torch.tensor([0, 0, 1, 1], device=device)
        rows = Experience([draw(5), draw(2)], problem, draw(4, 3), mask, mask.float())
        training = self.model.training
        kinds = set(getattr(self.model.config.get_text_config(), "layer_types", None) or [])
        try:
            self.model.eval()
            self._check_head(draw(1, 5))
            if kinds - {"full_attention", "attention"}:
                raise NotImplementedError(f"it has layers of the kinds {sorted(kinds)}")
            with torch.autocast(device.type, enabled=False):
                witness = Witness(PackedRow.pack(rows.prompts, rows.problem, rows.tokens, rows.mask))
                gap = (self._hidden_of(witness.row, witness) - self._plain_hidden(rows)).abs().max().item()
                witness.check()
                size_of_states = self._plain_hidden(rows).abs().max().item()
        except UnknownHeadError:
            raise
        except (TypeError, ValueError, LookupError, RuntimeError, AttributeError) as error:
            log.warning("%s can't share a prompt between responses (%s); using one row each", self._name, error)
            return False
        finally:
            self.model.train(training)
        bound = 1e-3 if self.model.dtype == torch.float32 else 5e-2
        if not gap <= bound * size_of_states:
            log.warning("%s gives other states (by %.1e) with a shared prompt; using one row each", self._name, gap)
        return gap <= bound * size_of_states

    def _check_head(self, ids: Tensor) -> None:
        """Raise where states and LM head do not make the model's own logits."""
        own, ours = self.model(input_ids=ids).logits, self.logits(self.hidden(ids))
        if own.shape != ours.shape or not (own - ours).abs().max() <= 1e-2 * own.abs().max():
            raise UnknownHeadError(f"{self._name} does more to its logits than passk knows of")

    @property
    def _name(self) -> str:
        return type(self.model).__name__


class UnknownHeadError(ValueError):
    """The architecture's logits can't be computed from its states."""


class Witness:
    """Attends as the row does, and notes which layers asked."""

    def __init__(self, row: PackedRow) -> None:
        self.row = row
        self.layers: list[int] = []

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        self.layers.append(layer)
        return self.row.attend(layer, query, key, value, scale)

    def check(self) -> None:
        """Raise unless layers asked, each once: a cache has one place for each."""
        if not self.layers or len(set(self.layers)) < len(self.layers):
            raise NotImplementedError(f"its layers attend in the order {self.layers}")


class PretrainedPolicy(Policy):
    """A checkpoint of transformers.

    Args:
        path: a folder, or an id of the hub.
        revision: of the hub's repository.
        dtype: of the weights, such as "float32" or "bfloat16"; "auto" takes the checkpoint's own.
        attention: transformers' attention implementation for ordinary rows.
    """

    def __init__(
        self,
        path: str,
        revision: str | None = None,
        dtype: str = "auto",
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        head_tokens: int = 4096,
    ) -> None:
        super().__init__(gradient_checkpointing, head_tokens)
        self.path, self.revision, self.dtype, self.attention = path, revision, dtype, attention

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        try:
            config = AutoConfig.from_pretrained(self.path, revision=self.revision)
            tokenizer = AutoTokenizer.from_pretrained(self.path, revision=self.revision)
            model = AutoModelForCausalLM.from_pretrained(
                self.path, config=config, revision=self.revision, dtype=self.dtype, attn_implementation=self.attention
            )
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            reason = "no such folder, nor an id of the hub" if "Repo id" in reason else reason
            raise ValueError(f"no policy could be loaded from {self.path!r}: {reason}") from error
        return model, tokenizer


class TinyPolicy(Policy):
    """A small Qwen2-shaped model with random weights and one token for each character.

    Args:
        alphabet: the characters it knows, of ASCII.
        hidden_size, num_layers, num_heads, intermediate_size: the shape; heads divide the hidden size.
        context_length: positions, prompt and response together.
        rope_theta: base of the rotary positions; small, as contexts are short.
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
        head_tokens: int = 4096,
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
        if unknown:  # the tokenizer would leave them out without a word
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

    It is Qwen2's own byte-level BPE without a merge, because transformers gives a saved Qwen2 model
    that class whatever the folder says: another kind would be read back as something else.
    """
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    symbols = [byte_level.pre_tokenize_str(character)[0][0] for character in alphabet]
    special = ["<pad>", "<eos>", "<unk>"]
    vocabulary = {token: index for index, token in enumerate([*special, *symbols])}
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


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
