"""Attention over a prompt that many responses share, for any transformers model with pluggable attention.

N responses to one prompt need the prompt's keys and values once, not N times. Both uses of that
stand here. In training a `PackedRow` lays prompts and responses end to end without padding, so
that every other layer computes each token once. In sampling a `SharedPrefixCache` holds the
prompts' keys and values once per problem, and each response's own beside them.

A response attends to its prompt and to its own past apart, and the two parts are put together by
what each softmax was divided by (`parts.py`).

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
