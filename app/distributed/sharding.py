"""Sharded policies (FSDP2): each process has its part of every weight, gradient and optimizer state.

A layer's weights are gathered while it computes, and its gradients are summed into their shards. All
processes must therefore run the same layers equally often. By themselves they do not: each samples
until its own responses end, and trains as many micro-batches as its own rows need. So the full
weights are gathered for sampling, and a process that has trained its last micro-batch
runs dummy passes with zero loss until all have finished.
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
        ValueError: for a model that does not name its layers (`_no_split_modules`).
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
        part.set_force_sum_reduction_for_comms(True)  # gloo supports sums
    with torch.no_grad():
        policy.score(_stub(policy))  # the first module to compute becomes the root: not a layer


@contextmanager
def gathered(policy: Policy) -> Iterator[None]:
    """A context in which each process has the full weights; all processes must enter and leave it together."""
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
    """How many dummy passes this process must add to have as many as any; a collective, called before the first pass.

    0 if the weights are not sharded.
    """
    return max_over_processes(num_passes, policy.model.device) - num_passes if isinstance(policy, FSDPModule) else 0


def idle_loss(policy: Policy) -> Tensor:
    """A dummy pass through all layers whose backward adds zero to the gradients.  -> []"""
    return 0.0 * policy.logprobs(_stub(policy)).sum()


def empty(optimizer: Optimizer, policy: Policy) -> None:
    """Reset an optimizer to zeros at step 0.

    PyTorch creates the state of a sharded optimizer when it is saved or loaded, by a step on zero gradients, which Adam
    counts: saving would change the run. Therefore the state is created here and the count reset; also for full
    weights, since a sharded run cannot resume from a checkpoint whose optimizer has no state.
    """
    optimizer.state.clear()
    get_optimizer_state_dict(policy, optimizer)
    for state in optimizer.state.values():
        if "step" in state:
            state["step"].zero_()


def is_sharded(parameter: Tensor) -> bool:
    """Whether this is a shard, whose gradient is already summed over all processes."""
    return isinstance(parameter, DTensor)


def whole(value: Tensor) -> Tensor:
    """A number or tensor; a sharded one is gathered."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def _parts(policy: Policy) -> list[FSDPModule]:
    return [module for module in policy.modules() if isinstance(module, FSDPModule)]


def _stub(policy: Policy) -> Experience:
    """An experience with a response of one token to a prompt of one token."""
    one = torch.zeros(1, 1, dtype=torch.long, device=policy.model.device)
    return Experience([one[0]], one[0], one, one == 0, one.float())
