"""Means of the rewards of composite scores (`Composite`), in training and in evaluation."""

from __future__ import annotations

import torch

from app.distributed.processes import sum_over_processes, union_over_processes
from app.types import Rollouts


class ComponentMeans:
    """For each reward by name: its sum over the answers that it applies to, and their number.

    Unscored and truncated answers have no rewards; answers with a replayed prefix are left out. Not a torchmetrics
    metric, since those need state names that all processes know beforehand.
    """

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, int]] = {}

    def update(self, rollouts: Rollouts) -> None:
        own = zip(rollouts.completions, rollouts.from_beginning.tolist(), strict=True)
        for row in (row for group, whole in own if whole for row in group):
            for name, reward in (row.parts or {}).items():
                total, number = self.sums.get(name, (0.0, 0))
                self.sums[name] = total + reward, number + 1

    def compute(self, device: torch.device) -> dict[str, float]:
        """The means over all processes, which must call it together.  -> {"reward/<name>": ..}"""
        names = sorted(union_over_processes({*self.sums}))
        if not names:
            return {}
        sums = torch.tensor([self.sums.get(name, (0.0, 0)) for name in names], dtype=torch.double, device=device)
        totals, numbers = sum_over_processes(sums).T.tolist()
        return {f"reward/{name}": total / number for name, total, number in zip(names, totals, numbers, strict=True)}
