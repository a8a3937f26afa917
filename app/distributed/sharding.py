"""A policy in shards (FSDP2): each process keeps its part of every weight, gradient and optimizer state.

A layer's weights are gathered while it computes, and its gradients summed into their shards, so all
processes must pass through the same layers equally often. Here they don't by themselves: each samples
for as long as its own responses go on, and trains as many micro-batches as its own rows make. So a
process that samples holds the whole weights meanwhile, and one that has trained its last micro-batch
runs dummy zero-loss passes until all have finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from app.distributed.processes import max_over_processes
from app.policy import Policy
from app.types import Experience


def shard(policy: Policy, mesh: DeviceMesh) -> None:
    """Shard a built policy over the processes of a mesh: each layer as one FSDP unit, the rest as another.

    Raises:
        ValueError: for a model that doesn't name its layers.
    """
    kinds = set(policy.model._no_split_modules or ())
    layers = [module for module in policy.model.modules() if type(module).__name__ in kinds]
    if not layers:
        raise ValueError(
            f"{type(policy.model).__name__} can't be sharded: it doesn't say which of its parts are layers"
        )
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(policy, mesh=mesh)
    register_fsdp_forward_method(policy, "score")
    for part in _parts(policy):
        part.set_gradient_divide_factor(1.0)  # a sum: losses are divided by the count of all processes
        part.set_force_sum_reduction_for_comms(True)  # which gloo can do
    with torch.no_grad():
        policy.score(_stub(policy))  # the first to compute becomes the root, and that must not be a layer


@contextmanager
def gathered(policy: Policy) -> Iterator[None]:
    """Inside, each process has the whole weights and computes without the others; all enter and leave together."""
    parts = _parts(policy)
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(part is not policy, recurse=False)


def idle_passes(policy: Policy, num_passes: int) -> int:
    """How many dummy passes this process must add to match the busiest one; a collective call before the first pass.

    0 if the weights are not sharded.
    """
    return max_over_processes(num_passes, policy.model.device) - num_passes if isinstance(policy, FSDPModule) else 0


def idle_loss(policy: Policy) -> Tensor:
    """A dummy pass through all layers whose backward adds zero to the gradients.  -> []"""
    return 0.0 * policy.logprobs(_stub(policy)).sum()


def empty(optimizer: Optimizer, policy: Policy) -> None:
    """Reset an optimizer to zeroed state at step 0.

    PyTorch makes the state of one in shards when it is saved or read, by a step on zero gradients, which Adam counts:
    a run would go on otherwise for having been saved. So it is made here and the count put back; for whole
    weights too, since shards can't go on from a checkpoint whose optimizer has no state.
    """
    optimizer.state.clear()
    get_optimizer_state_dict(policy, optimizer)
    for state in optimizer.state.values():
        if "step" in state:
            state["step"].zero_()


def is_sharded(parameter: Tensor) -> bool:
    """Whether this is a process's part, whose gradient is the sum over all processes already."""
    return isinstance(parameter, DTensor)


def whole(value: Tensor) -> Tensor:
    """A number or tensor, gathered where it is in parts."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def _parts(policy: Policy) -> list[FSDPModule]:
    return [module for module in policy.modules() if isinstance(module, FSDPModule)]


def _stub(policy: Policy) -> Experience:
    """A response of one token to a prompt of one."""
    one = torch.zeros(1, 1, dtype=torch.long, device=policy.model.device)
    return Experience([one[0]], one[0], one, one == 0, one.float())
