"""Responses as rows of tokens, from which the loss is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise

import torch
from torch import Tensor

from app.types.problems import Vision


@dataclass(frozen=True)
class Experience:
    """Sampled responses as rows of tokens with advantages, from which the loss is computed.

    Attributes:
        prompts: the tokens `[L]` of each problem's prompt, unpadded.
        problem: `[B]`, the index of each row's prompt.
        tokens: `[B, T]`.
        mask: `[B, T]`, bool, true on the tokens of the response, its stop token included.
        advantages: `[B, T]`, 0 on padding; equal on all tokens of a row unless the estimator gives `[P, N, T]`.
        sampler_logprobs: `[B, T]`, by the engine that sampled the rows; None for demonstrations.
        entropies: `[B, T]` as sampled, in nats, or None.
        old_logprobs: `[B, T]`, by the trainer's own forward pass before the iteration's first update; None if
            `sampler_logprobs` are used instead.
        reference_logprobs: `[B, T]`, by the reference policy of a KL penalty, or None.
        token_mask: `[B, T]`, bool, the tokens that the loss selects in the whole update; None for all.
        temperature: of the distribution the rows were sampled from.
        vision: vision inputs of each prompt's pictures; empty if no prompt has any.
    """

    prompts: list[Tensor]
    problem: Tensor
    tokens: Tensor
    mask: Tensor
    advantages: Tensor
    sampler_logprobs: Tensor | None = None
    entropies: Tensor | None = None
    old_logprobs: Tensor | None = None
    reference_logprobs: Tensor | None = None
    token_mask: Tensor | None = None
    temperature: float = 1.0
    vision: list[Vision] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.problem)

    @property
    def num_tokens(self) -> int:
        return int(self.mask.sum())

    @property
    def vision_or_empty(self) -> list[Vision]:
        """One dict of vision inputs for each prompt, empty for a prompt without pictures.  P"""
        return self.vision or [{} for _ in self.prompts]

    def select(self, rows: Tensor) -> Experience:
        """Only the given rows, cropped to the longest of them.  rows: [B], indices or bool"""
        mask = self.mask[rows]
        width = int(mask.sum(-1).max()) if len(mask) else 0
        of_tokens = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_OF_TOKENS}
        cropped = {name: value[rows, :width] for name, value in of_tokens.items() if value is not None}
        return replace(self, problem=self.problem[rows], **cropped)

    def informative(self) -> Experience:
        """Without the rows of zero advantage, which add nothing to a policy gradient."""
        return self.select(self.advantages.ne(0).any(-1))

    def split(
        self, num_parts: int, of_all: int | None = None, rank: int = 0, processes: int = 1
    ) -> Iterator[Experience]:
        """`num_parts` consecutive parts with equally many problems, or one more, each for one optimizer step.

        With several processes the parts are those of one process that has all problems, of which each has its share.

        Args:
            of_all: the number of problems of all processes; defaults to that of these rows.
            rank: of this process, whose problem i is problem rank + i x processes of all.
        """
        of_all = len(self.prompts) if of_all is None else of_all
        cuts = [of_all * part // num_parts for part in range(num_parts)]
        bounds = [-((rank - cut) // processes) for cut in cuts]  # (cut - rank) / processes, rounded up
        for first, last in pairwise([*bounds, len(self.prompts)]):
            yield self.select((self.problem >= first) & (self.problem < last))

    def microbatches(self, token_budget: int, share_prompts: bool = True) -> Iterator[Experience]:
        """Parts of at most `token_budget` tokens in a forward pass; a single row may exceed it.

        If a problem's rows share the forward pass of their prompt, the prompt counts once in a part, and a
        problem is split only if it alone exceeds the budget. If each row is computed with its
        prompt, padding counts too.
        """
        starts = self._packed_starts(token_budget) if share_prompts else self._padded_starts(token_budget)
        for first, last in pairwise([*starts, len(self)]):
            yield self.select(torch.arange(first, last, device=self.tokens.device))

    def _packed_starts(self, token_budget: int) -> Iterator[int]:
        """The first rows of parts with shared prompts and without padding."""
        lengths, problems = self.mask.sum(-1).tolist(), self.problem.tolist()
        size = Counter[int]()  # tokens of all of a problem's rows
        for problem, length in zip(problems, lengths, strict=True):
            size[problem] += length
        used, previous = token_budget + 1, -1  # over the budget: the first row begins a part
        for row, (problem, length) in enumerate(zip(problems, lengths, strict=True)):
            prompt, begins = len(self.prompts[problem]), problem != previous
            whole = prompt + size[problem]
            needs = (whole if whole <= token_budget else prompt + length) if begins else length
            if used + needs > token_budget:
                yield row
                used, begins = 0, True
            used, previous = used + length + (prompt if begins else 0), problem

    def _padded_starts(self, token_budget: int) -> Iterator[int]:
        """The first rows of parts with a row for each response and its prompt, padded to the widest."""
        rows, widest = 0, token_budget + 1  # over the budget
        for row, (problem, length) in enumerate(zip(self.problem.tolist(), self.mask.sum(-1).tolist(), strict=True)):
            width = len(self.prompts[problem]) + length
            if (rows + 1) * max(widest, width) > token_budget:
                yield row
                rows, widest = 0, 0
            rows, widest = rows + 1, max(widest, width)


_NOT_OF_TOKENS = ("prompts", "problem", "temperature", "vision")
