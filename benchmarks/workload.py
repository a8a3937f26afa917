"""Code shared by benchmarks: problems of random characters, peak memory, loading a policy."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any

import torch

from app.policy import Policy, PretrainedPolicy
from app.types import Problem, Prompt, Request


@dataclass(frozen=True)
class RandomProblem(Problem):
    """A prompt of random characters; an answer's score is a hash of it."""

    prompt: Prompt
    key: str
    solution: str = ""
    label: str = "random"

    def score(self, response: str) -> float:
        return blake2b(response.encode(), digest_size=1).digest()[0] / 256


def random_problems(tokenizer: Any, count: int, length: int, seed: int) -> list[RandomProblem]:
    """`count` distinct prompts of `length` characters, one token each."""
    texts = {tokenizer.decode([index]) for index in range(len(tokenizer))}
    alphabet = sorted(text for text in texts if len(text) == 1 and len(tokenizer(text)["input_ids"]) == 1)
    return [
        RandomProblem("".join(Random(f"{seed}/{index}").choices(alphabet, k=length)), key=str(index))
        for index in range(count)
    ]


def requests(policy: Policy, problems: Sequence[Problem], seed: str) -> list[Request]:
    """The problems as requests to an engine."""
    return [Request(problem, policy.encode(problem.prompt), f"{seed}/{problem.key}") for problem in problems]


def load_policy(path: str, threads: int, dtype: str = "float32") -> PretrainedPolicy:
    """Load the checkpoint in `path`, and use `threads` threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    policy = PretrainedPolicy(path, dtype=dtype)
    policy.build()
    return policy


def peak_memory_mib() -> float:
    """This process's peak memory in MiB: the GPU's if there is one, else resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
