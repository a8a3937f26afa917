"""P problems from the data module, and their N sampled and scored answers each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from app.types.experience import Experience
from app.types.problems import Problem, Vision
from app.types.sampling import Completion


@dataclass
class ProblemBatch:
    """A Lightning batch: P problems of the data module, and their rollouts after sampling.

    Attributes:
        problems: P of them.
        repeats: P, how many times each problem is in the batch of all processes before this one; empty for none.
        sampled: the sampled and scored rollouts, set by the RolloutCallback; None before.
        mixed: the same with some groups replaced by replayed ones, on all processes or on none; None if nothing
            is replayed. Updates use these; metrics and states use `sampled`.
    """

    problems: Sequence[Problem]
    sampled: Rollouts | None = None
    mixed: Rollouts | None = None
    repeats: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def rollouts(self) -> Rollouts:
        """The sampled rollouts; ValueError before sampling."""
        if self.sampled is None:
            raise ValueError("the batch has no rollouts: the Trainer needs a RolloutCallback, and it must come first")
        return self.sampled

    def to(self, device: torch.device | str, **kwargs: Any) -> ProblemBatch:
        """Lightning's hook; does nothing: problems stay on the host, and rollouts are on the policy's device."""
        return self


@dataclass(frozen=True, eq=False)
class Outcome:
    """Counts of a problem's N answers.

    Attributes:
        problem: the problem.
        prefix: number of tokens of an earlier answer with which all of them begin.
        answers: number of scored answers.
        passes: number of passing ones among these.
        passing: `[L]`, the tokens of the first passing answer, with its prefix and without its stop token; None if none
            passes, or it was not requested.
    """

    problem: Problem
    prefix: int
    answers: int
    passes: int
    passing: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Rollouts:
    """P problems with N completions each, and a reward for every one.

    Attributes:
        problems: P of them.
        prompts: the tokens `[L]` of each problem's prompt, unpadded.
        completions: P lists of N.
        rewards: `[P, N]`, in [0, 1]; 1 passes. NaN if the scorer gave none (`app/scoring/`): such an
            answer counts as not sampled.
        temperature: at which the completions were sampled.
        on_policy: whether the current policy sampled them.
        explore: `[P]`, bool, which problems to explore rather than exploit; None without an EntropySwitch.
        importance_ratios: `[P, N]`, pi_theta / pi_sampler of each response, the product over its tokens; None if
            they are all 1.
        vision: P, vision inputs of each prompt's pictures; empty if no prompt has any.
        prefixes: P, the number of tokens at the end of each prompt that begin its answers; empty for none.

    Raises:
        ValueError: for parts whose shapes do not match, with both shapes.
    """

    problems: Sequence[Problem]
    prompts: Sequence[Tensor] = ()
    completions: Sequence[Sequence[Completion]] = ()
    rewards: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    temperature: float = 1.0
    on_policy: bool = False
    explore: Tensor | None = None
    importance_ratios: Tensor | None = None
    vision: Sequence[Vision] = ()
    prefixes: Sequence[int] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.rewards.shape)
        for name in ("prompts", "completions", "vision", "prefixes"):
            if getattr(self, name) and len(getattr(self, name)) != len(self.problems):
                raise ValueError(f"{len(getattr(self, name))} {name} for {len(self.problems)} problems")
        if self.completions and {(len(self.problems), len(group)) for group in self.completions} != {shape}:
            counts = sorted({len(group) for group in self.completions})
            raise ValueError(f"rewards of shape {shape} for {len(self.problems)} problems with {counts} completions")
        if self.explore is not None and tuple(self.explore.shape) != shape[:1]:
            raise ValueError(f"explore of shape {tuple(self.explore.shape)} must be [P] = {shape[:1]}")
        ratios = self.importance_ratios
        if ratios is not None and tuple(ratios.shape) != shape:
            raise ValueError(f"importance_ratios of shape {tuple(ratios.shape)} must be [P, N] = {shape}")

    def __len__(self) -> int:
        return len(self.problems)

    def with_own_rewards(self) -> Rollouts:
        """The same with a copy of the rewards, for code of the user's, which may change them in place."""
        return replace(self, rewards=self.rewards.clone())

    @property
    def passed(self) -> Tensor:
        """Which answers pass.  [P, N], bool"""
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
        """Which responses were truncated at `max_new_tokens`.  [P, N], bool"""
        return self._grouped([row.finish == "length" for row in self.rows])

    @property
    def from_beginning(self) -> Tensor:
        """Which problems were answered without a prefix.  [P], bool"""
        return ~torch.tensor(self.prefixes or [0] * len(self), device=self.rewards.device).bool()

    def outcomes(self, with_passing: bool) -> list[Outcome]:
        """Counts of each problem's answers, with a passing one if requested.  P"""
        prefixes = self.prefixes or [0] * len(self)
        counts = zip(self.scored.sum(-1).tolist(), self.passed.sum(-1).tolist(), strict=True)
        return [
            Outcome(problem, prefix, answers, passes, self._passing(place, prefix) if with_passing and passes else None)
            for place, (problem, prefix, (answers, passes)) in enumerate(
                zip(self.problems, prefixes, counts, strict=True)
            )
        ]

    def _passing(self, place: int, prefix: int) -> Tensor:
        """The tokens of a problem's first passing answer.  -> [L]"""
        prompt, said = self.prompts[place], self.completions[place][int(self.passed[place].int().argmax())].tokens[:-1]
        return torch.cat([prompt[len(prompt) - prefix :].to(said), said])

    @property
    def entropies(self) -> Tensor:
        """Mean token entropy of each problem over its responses, in nats.  [P], all NaN if one has none"""
        values, lengths = self.padded("entropies"), self.lengths
        if values is None:
            return torch.full((len(self),), float("nan"), device=lengths.device)
        return values.sum((1, 2)).to(lengths.device) / lengths.sum(-1)

    def padded(self, name: Literal["tokens", "sampler_logprobs", "entropies", "old_logprobs"]) -> Tensor | None:
        """A field of the completions by token, padded with 0.  [P, N, T]; None if one has no such field"""
        values = [getattr(row, name) for row in self.rows]
        if any(value is None for value in values):
            return None
        flat, mask = torch.cat(values), self.mask  # row by row would take three operations each
        return flat.new_zeros(mask.shape).masked_scatter(mask.to(flat.device), flat)

    @property
    def mask(self) -> Tensor:
        """True on the tokens of the responses, including their stop tokens.  [P, N, T], bool"""
        lengths = self.lengths[..., None]
        return torch.arange(int(lengths.max()), device=lengths.device) < lengths

    def experience(self, advantages: Tensor) -> Experience:
        """Flatten to rows of tokens, without unscored answers.  [P, N] or [P, N, T] -> P * N rows"""
        tokens = self.padded("tokens")
        assert tokens is not None
        mask = self.mask.to(tokens.device)
        of_tokens = advantages if advantages.ndim == 3 else advantages[..., None]
        optional = {name: self.padded(name) for name in ("sampler_logprobs", "entropies", "old_logprobs")}
        rows = Experience(
            prompts=[*self.prompts],
            problem=torch.arange(len(self), device=tokens.device).repeat_interleave(mask.shape[1]),
            tokens=tokens.flatten(0, 1),
            mask=mask.flatten(0, 1),
            advantages=(of_tokens.to(tokens.device) * mask).flatten(0, 1),
            temperature=self.temperature,
            vision=[*self.vision],
            **{name: value.flatten(0, 1) for name, value in optional.items() if value is not None},
        )
        scored = self.scored.flatten()
        return rows if scored.all() else rows.select(scored.to(tokens.device))

    def split_by_num_scored(self) -> Iterator[tuple[Tensor, Rollouts]]:
        """Split the batch into parts whose problems have equally many scored answers, without the unscored ones.

        Yields the indices [p] of a part's problems and the part, p problems with m rollouts each. Problems
        without a scored answer are left out.
        """
        if self.scored.all():
            yield torch.arange(len(self), device=self.rewards.device), self
            return
        counts = self.scored.sum(-1)  # [P]
        for count in counts.unique().tolist():
            places = (counts == count).nonzero()[:, 0]
            if count:
                yield places, self.select(places, self.scored[places])

    def select(self, places: Tensor, mask: Tensor | None = None) -> Rollouts:
        """Some of the problems, with all of their rollouts or equally many of each.  [p] indices, [p, N] bool"""
        mask = torch.ones_like(self.scored[places]) if mask is None else mask
        grouped = lambda values: values[places][mask].view(len(places), -1)  # noqa: E731
        return replace(
            self,
            problems=[self.problems[place] for place in places.tolist()],
            prompts=[self.prompts[place] for place in places.tolist()] if self.prompts else [],
            vision=[self.vision[place] for place in places.tolist()] if self.vision else [],
            prefixes=[self.prefixes[place] for place in places.tolist()] if self.prefixes else [],
            completions=[
                [row for row, taken in zip(self.completions[place], row_mask, strict=True) if taken]
                for place, row_mask in zip(places.tolist(), mask.tolist(), strict=True)
            ],
            rewards=grouped(self.rewards),
            explore=None if self.explore is None else self.explore[places],
            importance_ratios=None if self.importance_ratios is None else grouped(self.importance_ratios),
        )

    def substitute(self, places: Tensor, other: Rollouts, taken: Tensor) -> Rollouts:
        """Replace the problems at `places` by those at `taken` of other rollouts.  [p] indices, twice"""
        source = {place: index for place, index in zip(places.tolist(), taken.tolist(), strict=True)}
        parts: dict[str, list[Any]] = {
            name: [
                getattr(other, name)[source[place]] if place in source else each
                for place, each in enumerate(getattr(self, name))
            ]
            for name in ("problems", "prompts", "vision", "prefixes", "completions")
        }
        rewards = self.rewards.clone()
        rewards[places] = other.rewards[taken]
        explore = self.explore
        if explore is not None and other.explore is not None:
            explore = explore.clone()
            explore[places] = other.explore[taken]
        return replace(self, **parts, rewards=rewards, explore=explore)

    def to(self, device: torch.device | str, **kwargs: Any) -> Rollouts:
        """Lightning's hook for predictions: moves the rewards; completions stay on their device."""
        return replace(self, rewards=self.rewards.to(device, **kwargs))

    def _grouped(self, values: list[Any]) -> Tensor:
        return torch.as_tensor(values, device=self.rewards.device).view(len(self), -1)
