"""Sampling settings, and an engine's requests and completions."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Literal

import torch
from torch import Tensor

from app.types.problems import Problem, Vision


@dataclass(frozen=True)
class Sampling:
    """Sampling settings of completions.

    Args:
        temperature: divides the logits; 0 takes the most probable token.
        top_p: keep the smallest set of tokens with at least this probability.
        top_k: keep this many of the most probable tokens; 0 keeps all.
        max_new_tokens: a completion that reaches it without a stop token is truncated.
        stop_tokens: further tokens, by name, that end a completion as the end-of-sequence token does.

    Recorded log-probabilities are those of the whole distribution at this temperature, as
    training recomputes them. They are those of the samples only if `top_p` is 1 and `top_k` is 0,
    so train with these values; the paper's top_p of 0.95 is an evaluation setting (Appendix A.2).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 64
    stop_tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature={self.temperature} must be at least 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must lie in (0, 1]")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must be at least 0 (0 keeps every token)")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={self.max_new_tokens} must be at least 1")

    @property
    def is_whole(self) -> bool:
        """Whether samples come from the whole distribution, that of the recorded log-probabilities."""
        return self.temperature > 0 and self.top_p == 1 and self.top_k == 0


@dataclass(frozen=True)
class Request:
    """One problem for an engine: prompt tokens `[L]`, the text that seeds its samples, vision inputs.

    The last `prefix` of the tokens are the beginning of an earlier answer, which the samples continue.
    """

    problem: Problem
    tokens: Tensor
    seed: str
    vision: Vision = field(default_factory=dict)
    prefix: int = 0


@dataclass(frozen=True)
class Completion:
    """One sampled answer.

    Attributes:
        text: the answer for scoring, without its stop token; with its prefix, if any.
        tokens: `[T]`, without the prefix, with the stop token, which is trained like the others.
        finish: "stop", or "length" if truncated at `max_new_tokens`.
        sampler_logprobs: `[T]`, log-probability of each token by the engine that sampled it; None for a demonstration.
        entropies: `[T]`, entropy of each token's distribution in nats, or None.
        old_logprobs: `[T]`, log-probability of each token by the trainer's own forward pass before the iteration's
            first update; None if `sampler_logprobs` are used instead.
        answer: the result of the problem's `extract_answer`, a digest if it is long (`app/scoring/`);
            None if the response has no answer, is truncated or unscored, or is not scored yet.
        parts: the rewards of its composite score by name; None if its score is not composite, or not computed yet.
    """

    text: str
    tokens: Tensor
    finish: Literal["stop", "length"]
    sampler_logprobs: Tensor | None = None
    entropies: Tensor | None = None
    old_logprobs: Tensor | None = None
    answer: str | None = None
    parts: dict[str, float] | None = None

    def to(self, device: torch.device | str) -> Completion:
        """A copy with its tensors on the device."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)})
