"""Random numbers seeded with text, such as "0/fit/3/problem": no generator state has to be saved to resume."""

from __future__ import annotations

from hashlib import blake2b

import torch


def generator_of(sentence: str) -> torch.Generator:
    """A generator on the CPU, seeded with text such as "0/fit/3/problem"."""
    digest = blake2b(sentence.encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def number_of(sentence: str) -> int:
    """An integer seed below 2^31, for servers that need one."""
    return int.from_bytes(blake2b(sentence.encode(), digest_size=4).digest(), "little") >> 1
