"""The engine of a supervised cold start: returns reference solutions instead of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import torch

from app.engines.base import RolloutEngine
from app.policy import Policy
from app.types import Completion, Problem, Request, Sampling


class DemonstrationEngine(RolloutEngine):
    """Returns each problem's demonstration instead of samples.

    Args:
        typo_rate: the probability that a character of `typo_letters` in a demonstration is replaced by a random one
            of them. Training on typos keeps the policy's entropy above zero, so that reinforcement learning has
            different answers to compare.
        typo_letters: the characters that typos replace, and with which they are replaced.
    """

    supports_async = True
    demonstrates = True

    def __init__(self, typo_rate: float = 0.0, typo_letters: str = "") -> None:
        if not 0 <= typo_rate <= 1:
            raise ValueError(f"typo_rate={typo_rate} must lie in [0, 1]")
        if typo_rate and not typo_letters:
            raise ValueError("typo_rate needs typo_letters: the characters that typos may put")
        self.typo_rate, self.typo_letters = typo_rate, typo_letters
        self.policy: Policy | None = None

    def sync(self, policy: Policy) -> None:
        self.policy = policy

    def check(self, policy: Policy, problem: Problem, random: Random) -> None:
        """Raise ValueError unless the policy's tokenizer can encode the demonstration with its typos."""
        policy.spell(problem.demonstrate(random))
        policy.spell(self.typo_letters)

    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        return [[self._demonstrate(request, rollout, sampling) for rollout in range(n)] for request in requests]

    def _demonstrate(self, request: Request, rollout: int, sampling: Sampling) -> Completion:
        random = Random(f"{request.seed}/{rollout}")
        return self.completion("".join(self._type(random, request.problem.demonstrate(random))), sampling)

    def _type(self, random: Random, text: str) -> Iterator[str]:
        for letter in text:
            slips = letter in self.typo_letters and random.random() < self.typo_rate
            yield random.choice(self.typo_letters) if slips else letter

    def completion(self, text: str, sampling: Sampling) -> Completion:
        """The text as a completion of the policy, with its end, or truncated."""
        if self.policy is None:
            raise RuntimeError("sync the engine with a policy before sampling")
        end = self.policy.tokenizer.eos_token_id
        tokens = [*self.policy.spell(text), self.policy.stop_ids(sampling)[0] if end is None else end]
        whole = len(tokens) <= sampling.max_new_tokens
        return Completion(
            text=text if whole else self.policy.decode([tokens[: sampling.max_new_tokens]])[0],
            tokens=torch.tensor(tokens[: sampling.max_new_tokens], device=self.policy.model.device),
            finish="stop" if whole else "length",
        )
