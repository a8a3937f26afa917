"""A policy's weights as a transformers checkpoint names them, whole on every process."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.distributed.tensor import DTensor


def full_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Each weight under its name, gathered from its shards where the strategy sharded it (FSDP2), one at a time.

    Gathering is collective: all processes have to iterate, to the end and in step.
    """
    for name, weight in model.state_dict().items():
        yield name, weight.full_tensor() if isinstance(weight, DTensor) else weight
