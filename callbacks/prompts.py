"""Encodes every prompt of a command at its start, so that an invalid row raises before sampling."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from random import Random
from time import perf_counter
from typing import Any

from lightning.pytorch import Trainer

from app.distributed.processes import gather_objects, rank, world_size
from app.engines.base import RolloutEngine
from app.policy import Policy
from app.remote import RemotePolicy
from app.types import Problem
from callbacks.lookup import splits_of

log = logging.getLogger(__name__)

SPLITS = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",)}
"""The splits that a command samples; that of `predict` is configured."""

LONG = 10.0
"""The time of encoding, in seconds, from which it is logged."""


def asked(trainer: Trainer, *among: str) -> dict[str, list[Problem]]:
    """Those of these splits that the command samples; empty if the data module has no splits."""
    splits = splits_of(trainer)
    command = SPLITS.get(str(trainer.state.fn and trainer.state.fn.value), ())
    return {name: splits[name] for name in among if name in command and splits.get(name)}


class PromptCheck:
    """Encodes prompts like sampling does; each process encodes a share of them.

    Args:
        policy: the built policy.
        engines: the engines that will sample; their own checks are made too (`RolloutEngine.check`).
    """

    def __init__(self, policy: Policy, engines: Sequence[RolloutEngine] = ()) -> None:
        self.policy, self.engines = policy, engines
        self.is_remote = isinstance(policy, RemotePolicy)
        self.end: Any = None if self.is_remote else policy.tokenizer.eos_token_id

    def faults(self, problems: Sequence[Problem], room: Callable[[Problem], int]) -> dict[int, str]:
        """Why prompts cannot be sampled, by the problem's index, in order; the same on every process.

        room: the most tokens of an answer.
        """
        if self.is_remote:  # the endpoint encodes
            return {}
        begun, ended, longest, found = perf_counter(), 0, 0, dict[int, str]()
        for place in range(rank(), len(problems), world_size()):
            problem = problems[place]
            try:
                tokens, _ = self.policy.encode_with_vision(problem.prompt)  # as sampling does
                for engine in self.engines:
                    engine.check(self.policy, problem, Random(place))
            except Exception as error:  # templates, tokenizers and users' problems may raise anything
                found[place] = said(error)
                continue
            longest, ended = max(longest, len(tokens)), ended + (int(tokens[-1]) == self.end)
            if len(tokens) + room(problem) > self.policy.context_length:
                found[place] = (
                    f"a prompt of {len(tokens)} tokens and max_new_tokens={room(problem)} exceed "
                    f"the policy's context of {self.policy.context_length}"
                )
        parts = gather_objects((found, ended, longest))
        if rank() == 0:
            ended, longest = sum(part[1] for part in parts), max(part[2] for part in parts)
            self._log_summary(len(problems), perf_counter() - begun, ended, longest)
        return dict(sorted(pair for part in parts for pair in part[0].items()))

    def _log_summary(self, number: int, seconds: float, ended: int, longest: int) -> None:
        if seconds > LONG:
            log.info("encoded %d prompts in %.0f s, the longest of %d tokens", number, seconds, longest)
        if ended:
            log.warning(
                "%d of %d prompts end with %s, after which the policy says nothing: does its chat template add a "
                "generation prompt?",
                ended,
                number,
                self.policy.tokenizer.eos_token,
            )


def check_prompts(check: PromptCheck, splits: Mapping[str, Sequence[Problem]], room: Callable[[Problem], int]) -> None:
    """Raise ValueError for the first problem that cannot be sampled, with its file and row."""
    for split, problems in splits.items():
        refuse(split, problems, check.faults(problems, room))


def skip_prompts(trainer: Trainer, faults: Mapping[int, str], max_skipped_prompts: float) -> None:
    """Leave out and count problems that cannot be sampled; ValueError if there are too many."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    problems = data.splits["train"]
    if len(faults) > max_skipped_prompts * len(problems):
        bound = f", above rollout.max_skipped_prompts={max_skipped_prompts:g}" if max_skipped_prompts else ""
        refuse("train", problems, faults, bound)
    if faults:
        first = min(faults)
        where = place_of(problems[first], first, "train")
        if rank() == 0:
            log.warning(
                "%d of %d problems are not trained on: %s: %s", len(faults), len(problems), where, faults[first]
            )
        data.leave_out(faults.keys())


def refuse(split: str, problems: Sequence[Problem], faults: Mapping[int, str], bound: str = "") -> None:
    """Raise ValueError for the first fault, if there is one."""
    if faults:
        first = min(faults)
        others = f" (and {len(faults) - 1} more of {len(problems)}{bound})" if len(faults) > 1 or bound else ""
        raise ValueError(f"{place_of(problems[first], first, split)}: {faults[first]}{others}")


def place_of(problem: Problem, place: int, split: str) -> str:
    """A problem's file and row, or its split and index."""
    return problem.origin or f"problem {place + 1} of {split}"


def said(error: Exception) -> str:
    """An error in one line, with its class unless its message was written for users."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"
