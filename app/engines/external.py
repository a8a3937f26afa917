"""Base class of engines with a copy of the weights, such as vLLM.

The copy, or a prefix cache from earlier weights, can be stale without an error. Therefore `sync` ends by sampling a
few responses to fixed prompts. The trainer computes their log-probabilities too; a mean difference above
`max_logprob_difference` ends the run.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch

from app.engines.base import EngineError, RolloutEngine
from app.policy import Policy
from app.types import Completion, Problem, Request, Rollouts, Sampling

BOUNDS = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}
"""The mean difference of log-probabilities that is allowed, by the engine's precision.

In bfloat16 at least three times what was measured for a language model, SmolLM2, against single precision, otherwise
ten times what was measured between two implementations of the same arithmetic (docs/vllm.md).
"""

BLOCK_SIZE = 32
"""Default tokens in a block of the prefix cache; one prompt of the check fills a block."""


class ExternalEngine(RolloutEngine):
    """Base class of engines with their own copy of the weights.

    Its log-probabilities differ numerically from the trainer's. Training recomputes them, with their
    entropies (`is_rescored`); the sampler/trainer mismatch is logged as `rollout/mismatch` and can be corrected
    (`model.correction`).

    Args:
        max_logprob_difference: the largest mean absolute difference of log-probabilities between engine and trainer,
            over the tokens of the responses to one prompt, after an update; defaults to that of the engine's precision
            (BOUNDS).

    Attributes:
        accepts_pictures: whether `sample` passes a prompt's pictures to the engine.
    """

    samples_the_policy = False
    is_rescored = True
    continues_tokens = True
    accepts_pictures = False

    def __init__(self, max_logprob_difference: float | None = None) -> None:
        if max_logprob_difference is not None and not max_logprob_difference > 0:
            raise ValueError(f"max_logprob_difference={max_logprob_difference} must be above 0")
        self.max_logprob_difference = max_logprob_difference
        self.policy: Policy | None = None

    def sync(self, policy: Policy) -> None:
        """Send the policy's full weights, and check that the engine samples with them."""
        self.policy = policy
        self.update(policy)
        check_agreement(self, policy, self.max_logprob_difference or BOUNDS[compute_dtype(policy)])

    @abstractmethod
    def update(self, policy: Policy) -> None:
        """Load the weights and reset all caches."""

    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        if self.policy is None:
            raise RuntimeError("sync the engine with a policy before sampling")
        if any(request.vision for request in requests) and not self.accepts_pictures:
            raise ValueError(f"{type(self).__name__} reads no pictures: app.engines.vllm.inprocess.VLLMEngine does")
        for request in requests:
            if len(request.tokens) + sampling.max_new_tokens > self.max_length:
                raise ValueError(
                    f"a prompt of {len(request.tokens)} tokens and max_new_tokens={sampling.max_new_tokens} exceed "
                    f"the engine's max_model_len of {self.max_length}"
                )
        return self.sample(requests, n, sampling, self.policy.stop_ids(sampling)) if requests else []

    @abstractmethod
    def sample(
        self, requests: Sequence[Request], n: int, sampling: Sampling, stops: list[int]
    ) -> list[list[Completion]]:
        """Sample n completions of each request; lengths have been checked; `stops` are the tokens that end one."""

    def completions(
        self, sampled: Sequence[tuple[Sequence[int], Sequence[float]]], stops: list[int], sampling: Sampling
    ) -> list[Completion]:
        """Make completions from tokens and log-probabilities, both with the stop token.

        With `top_p`, `top_k` or temperature 0 the engine's log-probabilities are those of the truncated
        distribution; the trainer's are then used instead.
        """
        assert self.policy is not None
        device = self.policy.model.device
        ended = [tokens[-1] in stops for tokens, _ in sampled]
        texts = self.policy.decode(
            [list(tokens[: len(tokens) - end]) for (tokens, _), end in zip(sampled, ended, strict=True)]
        )
        return [
            Completion(
                text=text,
                tokens=torch.tensor(tokens, device=device),
                finish="stop" if end else "length",
                sampler_logprobs=torch.tensor(logprobs, device=device) if sampling.is_whole else None,
            )
            for text, (tokens, logprobs), end in zip(texts, sampled, ended, strict=True)
        ]


def compute_dtype(policy: Policy) -> torch.dtype:
    """The data type of the policy's computation: autocast's with mixed precision, else that of its weights."""
    device = policy.model.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else policy.model.dtype


def write_config(policy: Policy, folder: Path) -> None:
    """Write what an engine needs to build the policy's architecture: a transformers folder without weights."""
    config = deepcopy(policy.model.config)
    own = (kind.__name__ for kind in type(policy.model).__mro__ if kind.__module__.startswith("transformers.models."))
    config.architectures = config.architectures or [next(own, type(policy.model).__name__)]
    config.save_pretrained(folder)
    policy.save_processor(folder)


class Probe(Problem):
    """A prompt of the check: fixed tokens; its responses are not scored."""

    prompt, key, solution, label = "", "probe", "", "probe"

    def score(self, response: str) -> float:
        return 0.0


def probes(policy: Policy) -> list[Request]:
    """A short prompt (with a picture for a vision policy), and one longer than a block of the prefix cache.

    The long one detects a stale block.
    """
    lengths = (3, min(BLOCK_SIZE + 1, policy.context_length - 4))
    prompts, vision = policy.probes(lengths, policy.model.config.get_text_config().vocab_size)
    return [Request(Probe(), *each) for each in zip(prompts, map(str, lengths), vision, strict=True)]


@torch.no_grad()
def check_agreement(engine: RolloutEngine, policy: Policy, bound: float) -> float:
    """The mean difference between the engine's and the trainer's log-probabilities, of the prompt where it is largest.

    A mean, since one token in ten thousand differs by several times as much in 16 bits.

    Raises:
        EngineError: it exceeds the bound, or is NaN.
    """
    requests, sampling = probes(policy), Sampling(max_new_tokens=4)
    prompts = [request.tokens.to(policy.model.device) for request in requests]
    groups, vision = engine.generate(requests, 4, sampling), [request.vision for request in requests]
    problems, nothing = [request.problem for request in requests], torch.zeros(len(requests), 4)
    batch = Rollouts(problems, prompts, groups, nothing, vision=vision)
    rows = batch.experience(nothing)
    assert rows.sampler_logprobs is not None
    own = policy.logprobs(rows)  # [B, T]
    gap = ((rows.sampler_logprobs - own).abs() * rows.mask).nan_to_num(float("inf"))
    of_prompts = gap.view(len(requests), -1).sum(-1) / rows.mask.view(len(requests), -1).sum(-1)
    largest = of_prompts.max().item()
    if largest > bound:
        worst = int(gap.argmax())
        token, theirs, ours = (each.flatten()[worst].item() for each in (rows.tokens, rows.sampler_logprobs, own))
        raise EngineError(
            f"{type(engine).__name__} does not sample with the policy's weights: log-probabilities of its responses "
            f"are {largest:.2e} apart on average, that of token {token} is {theirs:.6f} in the engine and {ours:.6f} "
            f"in the trainer; max_logprob_difference={bound:g}"
        )
    return largest
