"""Sampling with a copy of the policy, while the policy itself trains."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from app.engines.base import RolloutEngine
from app.engines.transformers import TransformersEngine
from app.policy import Policy
from app.sharding import is_sharded
from app.types import Completion, Request, Sampling


class SnapshotEngine(RolloutEngine):
    """Sample with the weights that the policy had when the engine was last synced.

    Args:
        engine: samples the copy; TransformersEngine where None.
        device: of the copy, such as cuda:1; the policy's own where None.

    Completions are on the copy's device.
    """

    samples_aside = True

    def __init__(self, engine: RolloutEngine | None = None, device: str | None = None) -> None:
        self.engine = engine or TransformersEngine()
        self.samples_the_policy = self.engine.samples_the_policy
        self.device = device
        self.copy: Policy | None = None

    def sync(self, policy: Policy) -> None:
        """Copy the weights; ValueError for a policy in shards."""
        if any(is_sharded(parameter) for parameter in policy.parameters()):
            raise ValueError("SnapshotEngine can't copy a policy in shards (FSDP2): sample with a server of its own")
        if self.copy is None:
            self.copy = deepcopy(policy)
            self.copy.requires_grad_(False).to(self.device or policy.model.device)
        self.copy.load_state_dict(policy.state_dict())
        self.engine.sync(self.copy)

    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        return self.engine.generate(requests, n, sampling)
