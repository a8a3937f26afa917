"""A seed is a sentence: what it names decides what is drawn, and nothing has to be kept to resume."""

from __future__ import annotations

from hashlib import blake2b

import torch


def generator_of(sentence: str) -> torch.Generator:
    """A generator on the CPU that a sentence such as "0/fit/3/problem" has seeded."""
    digest = blake2b(sentence.encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def number_of(sentence: str) -> int:
    """A number below 2^31, for servers that are seeded with one."""
    return int.from_bytes(blake2b(sentence.encode(), digest_size=4).digest(), "little") >> 1
