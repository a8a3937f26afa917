"""Attention over a prompt that many responses share, for any transformers model with pluggable attention.

N responses to one prompt need the prompt's keys and values once, not N times. This package does
so in training and in sampling. In training a `PackedRow` concatenates prompts and responses without
padding, so that all other layers compute each token once. In sampling a `SharedPrefixCache` has the
prompts' keys and values once per problem, and those of each response separately.

A response's attention to its prompt and to its own past are computed separately and combined by
the normalisers of the two softmaxes (`parts.py`).

Axes here: P prompts of up to S tokens, B responses of up to T, H query heads on G key heads, D per head.
"""

from app.compute.attention.cache import FixedShapeCache, SharedPrefixCache, pad_prompts
from app.compute.attention.interface import (
    NAME,
    SharedPrefix,
    attending,
    recomputing_alike,
    shared_prefix_attention,
)
from app.compute.attention.packed import PackedRow

__all__ = [
    "NAME",
    "FixedShapeCache",
    "PackedRow",
    "SharedPrefix",
    "SharedPrefixCache",
    "attending",
    "pad_prompts",
    "recomputing_alike",
    "shared_prefix_attention",
]
