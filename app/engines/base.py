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
    """An engine has failed: it ended, did not start, or has other weights than the policy."""


class RolloutEngine(ABC):
    """Samples completions of prompts.

    Attributes:
        samples_the_policy: whether the recorded log-probabilities are those of the current policy, so
            that the first update of an iteration is on-policy and has importance ratio 1.
        demonstrates: whether completions are references to imitate: no policy sampled them, and they have no
            log-probabilities.
        is_remote: whether a remote model samples and returns only text: such an engine needs no policy, and its
            completions cannot be used for training.
        supports_async: whether `generate` may run in a thread while the policy trains: it reads no weights of the
            policy and has no collectives.
        syncs_together: whether `sync` is a collective: all processes must call it equally often.
        is_rescored: whether the trainer recomputes log-probabilities and entropies (`old_logprobs`), because the
            engine's log-probabilities differ numerically and it returns no entropies.
        continues_tokens: whether completions continue exactly the tokens of a request, which may be a prompt and the
            beginning of an answer.
        max_length: the most tokens of a prompt and its answer together.
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
        """Prepare for this policy; called when it is built and on its device, and the process group is initialised."""

    def check(self, policy: Policy, problem: Problem, random: Random) -> None:  # noqa: B027
        """Raise for a problem that the engine cannot answer; called for every problem before the first iteration."""

    def sleep(self) -> None:  # noqa: B027
        """Release memory for training; nothing is sampled before the next `sync`."""

    def close(self) -> None:  # noqa: B027
        """Release memory and processes, at the end of a run or after an error."""

    @abstractmethod
    def sync(self, policy: Policy) -> None:
        """Load the policy's current weights; called before each sampling."""

    @abstractmethod
    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        """Sample n completions of each request, in order.

        Rollout r of a request depends only on the weights, the prompt, the sampling and the seed
        f"{request.seed}/{r}", not on the other requests of the call.
        """

    def generate_checked(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        """Call `generate` and check its completions.

        Raises:
            ValueError: a request has not n completions, or a completion's tensors do not fit its tokens.
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
        """Usage since the last call, by name, such as tokens or cost; {} if nothing is counted."""
        return {}


def check_completion(engine: str, completion: Completion) -> None:
    """Raise ValueError unless tokens, log-probabilities and entropies are [T], and `finish` is "stop" or "length"."""
    shape = tuple(completion.tokens.shape)
    if len(shape) != 1:
        raise ValueError(f"{engine}.generate gave tokens of shape {shape}: it must be [T]")
    for name in ("sampler_logprobs", "entropies", "old_logprobs"):
        value = getattr(completion, name)
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(f"{engine}.generate gave {name} of shape {tuple(value.shape)}: it must be [T] = {shape}")
    if completion.finish not in ("stop", "length"):
        raise ValueError(f'{engine}.generate gave finish={completion.finish!r}: it must be "stop" or "length"')
