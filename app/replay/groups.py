"""Replay of informative groups of earlier iterations instead of problems with zero advantages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor

from app.types import Completion, Problem, Rollouts

OF_TOKENS: tuple[Literal["tokens", "sampler_logprobs", "entropies", "old_logprobs"], ...] = (
    "tokens", "sampler_logprobs", "entropies", "old_logprobs",
)  # fmt: skip
"""The fields of a completion with a value for each token."""


@dataclass(frozen=True, eq=False)
class Group:
    """A problem's N sampled and scored rollouts, on the CPU.

    Attributes:
        problem: the problem's digest (`app/draw/record.py`).
        iteration: the iteration in which they were sampled.
        place: the problem's index in that iteration's batch of all processes, in which it may be twice.
        sampling: a text of N and the settings with which they were sampled (`RolloutSettings.of_samples`).
        prefix: `[l]`, tokens of an earlier answer with which all of them begin; usually none.
        explore: the problem's mark by the EntropySwitch; None without one.
        rewards: `[N]`.
        lengths: `[N]`, tokens of each rollout.
        of_tokens: the rollouts' fields with a value for each token, by name, concatenated: `[M]`.
        rows: N, the other fields of each.
    """

    problem: str
    iteration: int
    place: int
    sampling: str
    prefix: Tensor
    explore: bool | None
    rewards: Tensor
    lengths: Tensor
    of_tokens: dict[str, Tensor]
    rows: list[dict[str, Any]]

    @classmethod
    def of(
        cls, rollouts: Rollouts, index: int, problem: str, iteration: int, sampling: str, place: int | None = None
    ) -> Group:
        """The group at this index of a batch; place: its index in that of all processes, by default the same."""
        rows, given = rollouts.completions[index], rollouts.prefixes[index] if rollouts.prefixes else 0
        prompt = rollouts.prompts[index]
        known = [name for name in OF_TOKENS if all(getattr(row, name) is not None for row in rows)]
        return cls(
            problem,
            iteration,
            index if place is None else place,
            sampling,
            prefix=prompt[len(prompt) - given :].cpu().clone(),
            explore=None if rollouts.explore is None else bool(rollouts.explore[index]),
            rewards=rollouts.rewards[index].cpu().clone(),
            lengths=torch.tensor([len(row.tokens) for row in rows]),
            of_tokens={name: torch.cat([getattr(row, name) for row in rows]).cpu() for name in known},
            rows=[{name: value for name, value in vars(row).items() if name not in OF_TOKENS} for row in rows],
        )

    def completions(self) -> list[Completion]:
        """The N rollouts."""
        parts = {name: values.split(self.lengths.tolist()) for name, values in self.of_tokens.items()}
        of_each = [{name: values[index] for name, values in parts.items()} for index in range(len(self.rows))]
        return [Completion(**{**row, **tensors}) for row, tensors in zip(self.rows, of_each, strict=True)]

    def fits(self, rollouts: Rollouts, sampling: str) -> bool:
        """Whether it can be in a batch with these, of this `sampling`: sampled alike, with the same fields.

        With another limit or other stop tokens its rewards could be others. Log-probabilities of the trainer may be
        missing: those of the sampler are used instead.
        """
        others = rollouts.completions[0]
        theirs = {name for name in OF_TOKENS if all(getattr(row, name) is not None for row in others)}
        return (
            self.sampling == sampling
            and (self.explore is None) == (rollouts.explore is None)
            and theirs - {"old_logprobs"} <= self.of_tokens.keys()
        )


class GroupReplay:
    """Replays informative rollouts: earlier groups replace problems with zero advantages.

    Informative groups are kept whole: a problem with all N rollouts, their rewards and their log-probabilities
    at sampling. Groups are drawn at random among those that would be informative now,
    each at most once in an iteration.

    Args:
        max_age: number of iterations after its own in which a group may be trained on again.
        size: the most groups that are kept, the newest, over all processes.

    Attributes:
        kept: the kept groups, the newest first; the same on every process.
    """

    def __init__(self, max_age: int = 8, size: int = 64) -> None:
        for name, value in {"max_age": max_age, "size": size}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.max_age, self.size = max_age, size
        self.kept: list[Group] = []

    def newest(self, groups: Iterable[Group]) -> list[Group]:
        """At most `size` of them, in an order that does not depend on the processes that sampled them."""
        return sorted(groups, key=lambda group: (-group.iteration, group.problem, group.place))[: self.size]

    def keep(self, groups: Iterable[Group], iteration: int) -> None:
        """Add an iteration's groups, and remove those too old for the next one or beyond `size`."""
        young = [group for group in self.kept if iteration + 1 - group.iteration <= self.max_age]
        self.kept = self.newest([*groups, *young])

    def shuffled(self, iteration: int, seed: int) -> list[Group]:
        """All groups within `max_age`, in the order of drawing in this iteration."""
        young = [group for group in self.kept if iteration - group.iteration <= self.max_age]
        return Random(f"{seed}/replay/{iteration}").sample(young, len(young))

    def state_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"kept": [dict(vars(group)) for group in self.kept]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.kept = self.newest(Group(**group) for group in state["kept"])


def as_rollouts(groups: Sequence[Group], problems: Sequence[Problem], like: Rollouts) -> Rollouts:
    """A batch of groups, without prompts.

    Args:
        groups: P groups with equally many rollouts.
        problems: P, the problems of the groups.
        like: a batch that they fit; they are moved to its device.
    """
    device, explore = like.rewards.device, [bool(group.explore) for group in groups]
    return Rollouts(
        problems,
        completions=[[row.to(device) for row in group.completions()] for group in groups],
        rewards=torch.stack([group.rewards for group in groups]).to(device),
        temperature=like.temperature,
        explore=None if like.explore is None else torch.tensor(explore, device=device),
    )


def with_old_logprobs(
    rollouts: Rollouts, places: Sequence[int], rescored: bool, present: Sequence[Tensor] | None
) -> Rollouts:
    """A batch with replayed groups, with the old log-probabilities of their importance ratios.

    Args:
        rollouts: the batch; its other groups are unchanged.
        places: the indices of the replayed groups.
        rescored: whether the others have `old_logprobs`. If not, the replayed ones have none either: as for the others,
            the sampler's are used, or the module computes those of all before the first update. All processes then do
            the same, including one with only replayed groups.
        present: log-probabilities of the replayed rollouts, in order, by the current policy, for a correction of
            current against sampled; None without one: the ratio is to the policy that sampled them.
    """
    completions, given = [[*group] for group in rollouts.completions], iter(present or ())
    for place in sorted(places):
        for index, row in enumerate(completions[place]):
            then = row.sampler_logprobs if row.old_logprobs is None else row.old_logprobs
            old = None if not rescored else then if present is None else next(given)
            completions[place][index] = replace(row, old_logprobs=old)
    return replace(rollouts, completions=completions)
