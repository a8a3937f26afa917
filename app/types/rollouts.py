"""P problems with N sampled and scored answers each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from app.types.experience import Experience
from app.types.problems import Problem, Vision
from app.types.sampling import Completion


@dataclass
class RolloutBatch:
    """P problems, and N completions of each once they are sampled: what a Lightning batch is.

    The data module makes it of problems alone; the rollout callback fills in the rest.

    Attributes:
        problems: P of them.
        prompts: the tokens `[L]` of each problem's prompt, unpadded.
        completions: P lists of N.
        rewards: `[P, N]`, in [0, 1]; 1 passes. NaN where the scorer gave none (`scoring.py`): such an
            answer counts as one that was not drawn.
        temperature: at which the completions were sampled.
        on_policy: whether the policy as it now stands sampled them.
        explore: `[P]`, which problems are to be explored rather than exploited; None where nobody asked.
        ratios: `[P, N]`, how much likelier the policy finds each response than when it was sampled
            (pi_now / pi_sampled, the product over its tokens); None where they are all 1.
        vision: P, of each prompt's pictures; empty where no prompt has any.
    """

    problems: list[Problem]
    prompts: list[Tensor] = field(default_factory=list)
    completions: list[list[Completion]] = field(default_factory=list)
    rewards: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    temperature: float = 1.0
    on_policy: bool = False
    explore: Tensor | None = None
    ratios: Tensor | None = None
    vision: list[Vision] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def passed(self) -> Tensor:
        """[P, N], bool"""
        return self.rewards >= 1

    @property
    def scored(self) -> Tensor:
        """Which answers have a reward.  [P, N], bool"""
        return ~self.rewards.isnan()

    @property
    def rows(self) -> list[Completion]:
        """The P * N completions, problem by problem."""
        return [completion for group in self.completions for completion in group]

    @property
    def lengths(self) -> Tensor:
        """Tokens of each response.  [P, N]"""
        return self._grouped([len(row.tokens) for row in self.rows])

    @property
    def truncated(self) -> Tensor:
        """Which responses ran into `max_new_tokens`.  [P, N], bool"""
        return self._grouped([row.finish == "length" for row in self.rows])

    @property
    def entropies(self) -> Tensor:
        """Mean token entropy of each problem over its responses, in nats.  [P], all NaN if one has none"""
        values, lengths = self.padded("entropies"), self.lengths
        if values is None:
            return torch.full((len(self),), float("nan"), device=lengths.device)
        return values.sum((1, 2)).to(lengths.device) / lengths.sum(-1)

    def padded(self, name: Literal["tokens", "logprobs", "entropies", "old"]) -> Tensor | None:
        """What the completions hold of each token, 0 after their ends.  [P, N, T]; None where one holds nothing"""
        values = [getattr(row, name) for row in self.rows]
        if any(value is None for value in values):
            return None
        flat, mask = torch.cat(values), self.mask  # row by row would be three operations for each
        return flat.new_zeros(mask.shape).masked_scatter(mask.to(flat.device), flat)

    @property
    def mask(self) -> Tensor:
        """True on the tokens of the responses, their stop tokens included.  [P, N, T], bool"""
        lengths = self.lengths[..., None]
        return torch.arange(int(lengths.max()), device=lengths.device) < lengths

    def experience(self, advantages: Tensor) -> Experience:
        """Flatten once, to rows of tokens; unscored answers make none.  [P, N] or [P, N, T] -> P * N rows"""
        tokens, logprobs, entropies, old = map(self.padded, ("tokens", "logprobs", "entropies", "old"))
        assert tokens is not None
        mask = self.mask.to(tokens.device)
        of_tokens = advantages if advantages.ndim == 3 else advantages[..., None]
        rows = Experience(
            prompts=self.prompts,
            problem=torch.arange(len(self), device=tokens.device).repeat_interleave(mask.shape[1]),
            tokens=tokens.flatten(0, 1),
            mask=mask.flatten(0, 1),
            advantages=(of_tokens.to(tokens.device) * mask).flatten(0, 1),
            logprobs=None if logprobs is None else logprobs.flatten(0, 1),
            entropies=None if entropies is None else entropies.flatten(0, 1),
            old=None if old is None else old.flatten(0, 1),
            temperature=self.temperature,
            vision=self.vision,
        )
        scored = self.scored.flatten()
        return rows if scored.all() else rows.select(scored.to(tokens.device))

    def by_scored(self) -> Iterator[tuple[Tensor, RolloutBatch]]:
        """The batch in parts whose problems have equally many scored answers, the other answers left out.

        Yields the places [p] of a part's problems and the part, p problems with m rollouts each. A
        problem without a scored answer is in none.
        """
        if self.scored.all():
            yield torch.arange(len(self), device=self.rewards.device), self
            return
        counts = self.scored.sum(-1)  # [P]
        for count in counts.unique().tolist():
            places = (counts == count).nonzero()[:, 0]
            if count:
                yield places, self.select(places, self.scored[places])

    def select(self, places: Tensor, kept: Tensor | None = None) -> RolloutBatch:
        """Some of the problems, and all of their rollouts or equally many of each.  [p] indices, [p, N] bool"""
        kept = torch.ones_like(self.scored[places]) if kept is None else kept
        grouped = lambda values: values[places][kept].view(len(places), -1)  # noqa: E731
        return replace(
            self,
            problems=[self.problems[place] for place in places.tolist()],
            prompts=[self.prompts[place] for place in places.tolist()] if self.prompts else [],
            vision=[self.vision[place] for place in places.tolist()] if self.vision else [],
            completions=[
                [row for row, keep in zip(self.completions[place], own, strict=True) if keep]
                for place, own in zip(places.tolist(), kept.tolist(), strict=True)
            ],
            rewards=grouped(self.rewards),
            explore=None if self.explore is None else self.explore[places],
            ratios=None if self.ratios is None else grouped(self.ratios),
        )

    def replace(self, places: Tensor, other: RolloutBatch, chosen: Tensor) -> None:
        """Put problems of another batch, with all that belongs to them, in these places.  [p] indices, twice"""
        for place, index in zip(places.tolist(), chosen.tolist(), strict=True):
            for name in ("problems", "prompts", "vision", "completions"):
                if getattr(self, name):
                    getattr(self, name)[place] = getattr(other, name)[index]
        self.rewards[places] = other.rewards[chosen]

    def to(self, device: torch.device | str, **kwargs: Any) -> RolloutBatch:
        """Lightning's hook; completions are sampled where the policy is and need no move."""
        self.rewards = self.rewards.to(device, **kwargs)
        return self

    def _grouped(self, values: list[Any]) -> Tensor:
        return torch.as_tensor(values, device=self.rewards.device).view(len(self), -1)
