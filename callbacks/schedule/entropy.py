"""Marks which problems are explored and which are exploited, by the entropy of their answers."""

from __future__ import annotations

from dataclasses import replace

from lightning.pytorch import Callback, LightningModule, Trainer

from app.advantages.adaptive import to_explore
from app.advantages.base import check_share
from app.distributed.processes import gather_over_processes
from app.module import RLVRModule
from app.types import ProblemBatch


class EntropySwitch(Callback):
    """Ranks an iteration's problems by the mean token entropy of their answers (Section 4.2.3).

    Those with the highest entropy are marked to be exploited, the others to be explored; the objective `Adaptive`
    uses the marks. The paper does not say which problems are ranked together; here they are those of one iteration,
    over all processes. Demonstrations have no entropy and stay unmarked.

    Place it after the RolloutCallback, which fills the batch.

    Args:
        exploit_share: the share of the problems that is exploited; half of them in the paper.
    """

    def __init__(self, exploit_share: float = 0.5) -> None:
        check_share("exploit_share", exploit_share)
        self.exploit_share = exploit_share

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProblemBatch, batch_idx: int
    ) -> None:
        rollouts = batch.rollouts
        entropies, first = gather_over_processes(rollouts.entropies.to(pl_module.device))  # [P of all processes]
        if entropies.isnan().any():
            batch.sampled = replace(rollouts, explore=None)
            return
        explore = to_explore(entropies, self.exploit_share)
        own = explore[first : first + len(batch)].to(rollouts.rewards.device)
        batch.sampled = replace(rollouts, explore=own)
        parts = {"entropy/explored": entropies[explore], "entropy/exploited": entropies[~explore]}
        RLVRModule.of(pl_module).log_metrics({name: part.mean() for name, part in parts.items() if len(part)})
