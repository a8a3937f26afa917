"""The engine that samples with a copy of the policy while the policy trains."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch

from app.distributed.sharding import is_sharded
from app.engines.transformers import TransformersEngine
from app.policy import Policy
from app.types import Completion, Request, Sampling


class SnapshotEngine(TransformersEngine):
    """Samples with a copy of the policy, made at the last `sync`.

    Args:
        device: the copy's device, such as cuda:1; defaults to the policy's.
    """

    supports_async = True

    def __init__(self, device: str | None = None) -> None:
        super().__init__()
        self.device = device
        self.home = torch.device("cpu")  # the policy's device

    def sync(self, policy: Policy) -> None:
        """Copy the weights; ValueError for a sharded policy."""
        if any(is_sharded(parameter) for parameter in policy.parameters()):
            raise ValueError("SnapshotEngine can't copy a policy in shards (FSDP2): sample with a server of its own")
        self.home = policy.model.device
        if self.policy is None:
            self.policy = deepcopy(policy).requires_grad_(False).to(self.device or self.home)
        self.policy.load_state_dict(policy.state_dict())

    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        return [[row.to(self.home) for row in rows] for rows in super().generate(requests, n, sampling)]
