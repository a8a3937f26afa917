"""What the tests run in two processes: measuring and training, in one start because starting takes longest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh

from app.advantages import AdvantageEstimator
from app.distributed.processes import gather_over_processes, sum_over_processes, union_over_processes, world_size
from app.distributed.sharding import is_sharded, shard
from app.learning_rate import Constant
from app.losses import K3, ClipCov, Clipped, KLCov, KLPenalty, Reinforce, SequenceMean, TokenTIS, TopEntropy
from app.module import RLVRModule
from app.policy_module import PolicyModule
from app.types import Rollouts
from callbacks.rollout import RolloutCallback
from tests.app.measured import figures, random_batch
from tests.app.metrics.test_components import PARTS, summed
from tests.app.updates import PASSES, PROBLEMS, Watch, fit, fitted, parameters, part, perturbed, sampled
from tests.callbacks.evaluation.test_results import REWARDS, SETS, rolled, tallied
from tests.conftest import EchoProblem, build_tiny_policy


def work(rank: int) -> dict[str, Any]:
    """What one of two processes finds."""
    module, watch = train(rank)
    return {
        "figures": measure(rank),
        "parameters": watch.parameters,
        "figures of training": watch.figures,
        "figures to decide by": module.figures,
        "processes": talk(rank),
        "variants": {name: variant(name, rank) for name in VARIANTS},
        "uneven": {name: uneven(name, rank) for name in UNEVEN},
        "replacements": draw_again(rank),
        "results": tally(rank),
        "scores in shards": scores_in_shards(rank),
        "components": summed(PARTS[rank::2]).compute(torch.device("cpu")),
    }


def measure(rank: int) -> dict[str, float]:
    """Rank 0 sees batches 0, 2 and 4, rank 1 batch 1 alone."""
    return figures([random_batch(seed) for seed in ([0, 2, 4], [1])[rank]])


def tally(rank: int) -> dict[str, Any]:
    """Rank 0 has the first two batches, rank 1 the last and the only problem of set B; see test_results.py."""
    part = tallied([REWARDS[:4], REWARDS[4:]][rank])
    if rank == 1:
        part.update("B", rolled([[1.0, 0.0, 0.0, 0.0]]), SETS["B"])
    return part.records(SETS)


def train(rank: int) -> tuple[RLVRModule, Watch]:
    """Three iterations, the last in two minibatches; `test_module.in_one_process` does the same with both halves."""
    batch, watch = sampled(build_tiny_policy()), Watch()
    halves = [[part(batch, [0, 1]), part(batch, [0, 3])], [part(batch, [2, 3]), part(batch, [1, 2])]]
    module = fitted(halves[rank], strategy="ddp", devices=2, callbacks=[watch])
    module.settings = replace(module.settings, minibatch_size=2)
    last = part(batch, [[0, 3], [2, 1]][rank])
    fit(module, [last], strategy="ddp", devices=2, callbacks=[watch])
    return module, watch


def talk(rank: int) -> dict[str, Any]:
    """See tests/app/distributed/test_processes.py."""
    own = torch.tensor([rank + 1.0, 10.0 * (rank + 1)])
    summed = sum_over_processes(own)
    return {
        "world size": world_size(),
        "sum": summed,
        "own": own,
        "both": gather_over_processes(torch.arange(2.0 + rank) + 10 * rank),
        "one": gather_over_processes(torch.tensor([[], [5, 6]][rank], dtype=torch.long)),
        "none": gather_over_processes(torch.zeros(0)),
        "union": union_over_processes([{"a", "b"}, {"b", "c"}][rank]),
    }


# -- choices that are made over all processes --------------------------------------------------------


def away() -> KLPenalty:
    """With a reference that is not where the policy begins."""
    penalty = K3(0.1)
    penalty.reference.begin(build_tiny_policy(seed=1))
    return penalty


VARIANTS: dict[str, Callable[[], dict[str, Any]]] = {
    "sequence mean, k3": lambda: {"loss": Clipped(reduction=SequenceMean()), "kl": away()},
    "top entropy, bonus": lambda: {"loss": Clipped(tokens=TopEntropy(0.2)), "entropy_bonus": 0.1},
    "kl-cov": lambda: {"loss": KLCov(0.2, 0.5)},
    "clip-cov": lambda: {"loss": Clipped(tokens=ClipCov(0.2, 0.01, 5.0))},
    "correction": lambda: {"correction": TokenTIS(1.1), "count_skipped_tokens": False},
}


def variant(name: str, rank: int | None = None) -> list[Tensor]:
    """One update from four problems, on one process or on both."""
    batch = perturbed(sampled(build_tiny_policy()))
    if rank is None:
        return parameters(fitted([batch], **VARIANTS[name]()))
    mine = part(batch, [[0, 1], [2, 3]][rank])
    return parameters(fitted([mine], strategy="ddp", devices=2, **VARIANTS[name]()))


class Ratios(AdvantageEstimator):
    """The ratios it is given, less 2: no reward is asked."""

    requires_importance_ratios = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return (
            torch.ones_like(rollouts.rewards) if rollouts.importance_ratios is None else rollouts.importance_ratios
        ) - 2


UNEVEN: dict[str, Callable[[], dict[str, Any]]] = {
    "top entropy": lambda: {"loss": Clipped(tokens=TopEntropy(0.2))},
    "clip-cov": lambda: {"loss": Clipped(tokens=ClipCov(0.2, 0.01, 5.0))},
    "kl-cov": lambda: {"loss": KLCov(0.2, 0.5)},
    "ratios, correction, k3": lambda: {
        "advantage": Ratios(), "loss": Reinforce(), "correction": TokenTIS(1.1), "kl": away(),
    },
}  # fmt: skip


def uneven(name: str, rank: int | None = None) -> list[Tensor]:
    """Three problems, the first and the last on rank 0 and the second on rank 1, in an update each."""
    batch = perturbed(sampled(build_tiny_policy(), PASSES[[0, 3, 0]], PROBLEMS[:3]))
    settings = {"learning_rate": Constant(0.1), **UNEVEN[name]()}
    if rank is None:
        return parameters(fitted([batch], minibatch_size=1, **settings))
    mine = part(batch, [[0, 2], [1]][rank])
    return parameters(fitted([mine], minibatch_size=1, strategy="ddp", devices=2, **settings))


# -- shards ---------------------------------------------------------------------------------------------


def scores_in_shards(rank: int) -> dict[str, Any]:
    """Log-probabilities of four problems' answers by rank 0, while rank 1 has no problem."""
    batch, policy = sampled(build_tiny_policy()), build_tiny_policy()
    shard(policy, init_device_mesh("cpu", (2,)))
    layers, whole = policy.model.get_submodule("model.layers"), list[int]()
    after = policy.model.get_submodule("model.norm")
    after.register_forward_pre_hook(lambda *_: whole.append(sum(not is_sharded(each) for each in layers.parameters())))
    rows = PolicyModule(policy, 40).rescored(batch if rank == 0 else Rollouts([], rewards=torch.zeros(0, 6))).rows
    return {"logprobs": [row.old_logprobs for row in rows], "whole weights after the layers": whole}


# -- dynamic sampling ----------------------------------------------------------------------------------


def draw_again(rank: int) -> list[str]:
    """All that may be drawn in the place of dead problems: rank r has problems 10 r to 10 r + 3."""
    train = [EchoProblem(str(number)) for number in range(20)]
    trainer = SimpleNamespace(datamodule=SimpleNamespace(splits={"train": train}))
    batch = Rollouts(list(train[10 * rank : 10 * rank + 4]))
    return [problem.key for problem in RolloutCallback._others(cast(Any, trainer), "0/dynamic/0", batch)]
