"""Metrics of the mismatch between the sampler's and the trainer's log-probabilities."""

from __future__ import annotations

from torch import Tensor

from app.distributed.processes import gather_over_processes
from app.types import Rollouts


def mismatch(rollouts: Rollouts) -> dict[str, float]:
    """Metrics over all sampled tokens of all processes, by logged name; empty without old log-probabilities.

    With log rho = log pi_trainer(token) - log pi_sampler(token), "mismatch" and "mismatch_max" are the mean and the
    largest |log rho|; "mismatch_kl" is the estimate mean(rho - 1 - log rho) of KL(sampler || trainer), whose terms
    are never negative; "mismatch_ess" the effective sample size as a share, (sum rho)^2 / (n sum rho^2): 1 if equal.
    """
    if any(row.old_logprobs is None or row.sampler_logprobs is None for row in rollouts.rows):
        return {}
    old, sampled = rollouts.padded("old_logprobs"), rollouts.padded("sampler_logprobs")
    assert old is not None and sampled is not None
    log_rho = (old.double() - sampled.double())[rollouts.mask.to(old.device)]
    return {f"rollout/{name}": value for name, value in mismatch_of(gather_over_processes(log_rho)[0]).items()}


def mismatch_of(log_rho: Tensor) -> dict[str, float]:
    """The four metrics of log rho.  [M]"""
    rho = log_rho.exp()
    return {
        "mismatch": log_rho.abs().mean().item(),
        "mismatch_max": log_rho.abs().max().item(),
        "mismatch_kl": (rho - 1 - log_rho).mean().item(),
        "mismatch_ess": (rho.sum().square() / (len(rho) * rho.square().sum())).item(),
    }
