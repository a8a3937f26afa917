"""Estimates what a run will write to the disk, from its policy, before the first iteration.

With w bytes of weights, of which t are trained:

    checkpoint    the module's weights, 2 t for Adam's two moments (t for SGD with momentum), t for a KL reference
    export        w, as a transformers folder

`last.ckpt` is one checkpoint, and a second one while it is replaced. The best checkpoints and the ends of stages have
one checkpoint and one export each. Samples, curves, results and the groups that replay keeps (64 of 32 answers of 4,096
tokens are some 0.15 GB in each checkpoint) are small and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from app.compute.memory import moments
from app.distributed.weights import trained_weights
from app.module import RLVRModule


@dataclass(frozen=True)
class Disk:
    """The estimate, in bytes.

    Args:
        checkpoint, export: bytes of one.
        checkpoints, exports: the number kept at the end, `last.ckpt` included.
    """

    checkpoint: int
    export: int
    checkpoints: int
    exports: int

    @property
    def most(self) -> int:
        """The largest size: while the last checkpoint is being replaced."""
        return (self.checkpoints + 1) * self.checkpoint + self.exports * self.export

    def __str__(self) -> str:
        kept = (
            f"{self.checkpoints} checkpoints of {_gb(self.checkpoint)} + {self.exports} exports of {_gb(self.export)}"
        )
        return f"disk, estimated: {kept}, at most {_gb(self.most)} GB"


def estimate(module: RLVRModule, optimizer: Optimizer, checkpoints: int, exports: int) -> Disk:
    """Estimate for a built policy."""
    trained = _bytes(trained_weights(module.policy).values())
    checkpoint = _bytes(module.state_dict().values()) + (moments(optimizer) + (module.kl is not None)) * trained
    return Disk(checkpoint, _exported(module.policy.parameters()), checkpoints, exports)


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of full tensors, also of sharded ones."""
    return sum(each.numel() * each.element_size() for each in tensors)


def _exported(weights: Iterable[Tensor]) -> int:
    """Bytes of exported weights; four-bit weights, two in a byte, are exported with two bytes each."""
    return sum(each.numel() * (4 if each.dtype == torch.uint8 else each.element_size()) for each in weights)


def _gb(size: int) -> str:
    return f"{size / 1e9:.3g}"
