"""Base class of rollout engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from app.types import Completion, Problem, Request, Sampling

if TYPE_CHECKING:
    from app.policy import Policy


class EngineError(RuntimeError):
    """An engine can't go on, and the message says why: it died, would not start, or no longer holds the policy."""


class RolloutEngine(ABC):
    """Prompts -> completions.

    Attributes:
        samples_the_policy: whether the recorded log-probabilities are the present policy's own, so
            that the first update of an iteration is on-policy and has importance ratio 1.
        demonstrates: whether completions are references to imitate: no policy sampled them, and they have no
            log-probabilities.
        is_remote: whether a remote model samples and returns only text: such an engine needs no policy, and its
            completions can't be trained on.
        supports_async: whether `generate` may run in a thread while the policy trains: it reads no weights of the
            policy and waits for no other process.
        syncs_together: whether `sync` waits for the run's other processes, which must call it as often.
        is_rescored: whether the trainer recomputes log-probabilities and entropies (`old_logprobs`), because the
            engine's log-probabilities differ numerically and it returns no entropies.
        continues_tokens: whether completions go on from just the tokens of a request, which may be a prompt and the
            beginning of an answer.
        max_length: tokens of a prompt and its answer at most.
    """

    samples_the_policy: bool = True
    demonstrates: bool = False
    is_remote: bool = False
    supports_async: bool = False
    syncs_together: bool = False
    is_rescored: bool = False
    continues_tokens: bool = False
    max_length: int = 2**31

    def setup(self, policy: Policy) -> None:  # noqa: B027 - most have nothing to prepare
        """Prepare for this policy: called once it is built and on its device, with the process group initialised."""

    def check(self, policy: Policy, problem: Problem, random: Random) -> None:  # noqa: B027
        """Raise for a problem that the engine could not answer: asked of every one before the first iteration."""

    def sleep(self) -> None:  # noqa: B027
        """Release memory that the trainer may need: nothing is sampled until the next `sync`."""

    def close(self) -> None:  # noqa: B027
        """Release memory and processes, at the end of a run or after an error."""

    @abstractmethod
    def sync(self, policy: Policy) -> None:
        """Load the policy's current weights; called before every sampling."""

    @abstractmethod
    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        """n completions of each request, in order.

        Rollout r of a request depends on the weights, the prompt, the sampling and the sentence
        f"{request.seed}/{r}" alone, not on what else is in the call.
        """

    def generate_checked(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        """`generate`, whose completions have been checked.

        Raises:
            ValueError: other than n completions of each request, or one whose tensors do not fit its tokens.
        """
        groups = self.generate(requests, n, sampling)
        name, counts = type(self).__name__, [len(group) for group in groups]
        if counts != [n] * len(requests):
            raise ValueError(
                f"{name}.generate gave {counts} completions: it must be {n} for each of the {len(requests)} requests"
            )
        for completion in (row for group in groups for row in group):
            check_completion(name, completion)
        return groups

    def pop_usage(self) -> dict[str, float]:
        """Usage since this was last asked, by name, such as tokens or cost; empty where nothing is counted."""
        return {}


def check_completion(engine: str, completion: Completion) -> None:
    """Raise ValueError unless tokens, log-probabilities and entropies are [T], and the end is one of the two."""
    shape = tuple(completion.tokens.shape)
    if len(shape) != 1:
        raise ValueError(f"{engine}.generate gave tokens of shape {shape}: it must be [T]")
    for name in ("sampler_logprobs", "entropies", "old_logprobs"):
        value = getattr(completion, name)
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(f"{engine}.generate gave {name} of shape {tuple(value.shape)}: it must be [T] = {shape}")
    if completion.finish not in ("stop", "length"):
        raise ValueError(f'{engine}.generate gave finish={completion.finish!r}: it must be "stop" or "length"')
