"""Pass@k on held-out problems: sampled, scored, tabulated, drawn, and kept in `results.jsonl`."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torchmetrics import MetricCollection

from app.metrics import Accuracy, PassAtK, evaluation_metrics
from app.processes import union_over_processes
from app.types import RolloutBatch, Sampling
from callbacks.report import print_results
from callbacks.rollout import check_sampling, rlvr
from callbacks.schedule import StageSchedule, rollout_of

log = logging.getLogger(__name__)


class PassKEvaluation(Callback):
    """Sample n answers to every validation (or test) problem and report the unbiased Pass@k.

    Figures are named "eval/pass@8" over all problems and "eval/<set>/pass@8" for each set (each
    maze size, say) where there are several. The answers of two validations are drawn from the same
    random numbers, so that the difference between them is the policy's.

    Args:
        n: answers to each problem; the paper takes 32 for mazes and 8 for other tasks.
        ks: the k of each Pass@k; at most n.
        sampling: how answers are drawn; the paper evaluates at temperature 1 and top_p 0.95. None
            samples as training does.
        greedy: whether to take the most probable answer as well, which tells learning from sharpening.
    """

    def __init__(
        self, n: int = 32, ks: Sequence[int] = (1, 4, 8), sampling: Sampling | None = None, greedy: bool = True
    ) -> None:
        if n < 1:
            raise ValueError(f"n={n} must be at least 1")
        if not ks:
            raise ValueError("ks must name at least one k")
        for k in ks:
            if not 1 <= k <= n:
                raise ValueError(f"k={k} must lie between 1 and the n={n} answers to each problem")
        self.n, self.ks, self.sampling, self.greedy = n, sorted(ks), sampling, greedy
        self.sets: dict[str, MetricCollection] = {}
        self.greedy_sets: dict[str, Accuracy] = {}
        self.history: list[dict[str, Any]] = []
        self.shown: RolloutBatch | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.sampling = self.sampling or rollout_of(trainer).sampling

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self.sampling is not None
        check_sampling(trainer, rlvr(pl_module).policy, self.sampling)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self.on_fit_start(trainer, pl_module)
        self.sets, self.greedy_sets, self.shown = {}, {}, None

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: RolloutBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert self.sampling is not None
        rollout = rollout_of(trainer)  # asked for no answer too: with weights in shards processes sample together
        rollout.fill(trainer, pl_module, batch, rollout.engine, self.n, self.sampling, "evaluation")
        if len(batch):
            self.shown = self.shown or batch
            self._count(batch, self._metrics)
        if self.greedy:
            greedy = RolloutBatch(batch.problems)
            once = Sampling(0.0, max_new_tokens=self.sampling.max_new_tokens, stop_tokens=self.sampling.stop_tokens)
            rollout.fill(trainer, pl_module, greedy, rollout.engine, 1, once, "evaluation")
            if len(batch):
                self._count(greedy, self._greedy_metrics)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        figures = self.compute(pl_module.device)
        if trainer.sanity_checking:
            return
        for k, left_out in self.left_out(pl_module.device).items():
            log.warning("pass@%d leaves %d problems out: fewer than %d of their answers have a score", k, left_out, k)
        pl_module.log_dict(figures, batch_size=1, rank_zero_only=False)
        pl_module.log("step", float(rlvr(pl_module).iteration), batch_size=1)
        record = {"iteration": rlvr(pl_module).iteration, "stage": _stage_name(trainer), **figures}
        self.history.append(record)
        folder = run_folder(trainer)
        if trainer.is_global_zero:
            with (folder / "results.jsonl").open("a") as file:
                file.write(
                    json.dumps({name: None if value != value else value for name, value in record.items()}) + "\n"
                )

    on_test_start = on_validation_start
    on_test_batch_start = on_validation_batch_start
    on_test_epoch_end = on_validation_epoch_end

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._print(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self._print(trainer)

    on_test_end = on_validation_end

    def _print(self, trainer: Trainer) -> None:
        folder = run_folder(trainer)
        if trainer.is_global_zero and self.history:
            print_results(self.history, folder)

    def compute(self, device: torch.device) -> dict[str, float]:
        """All figures over all processes, by their logged names."""
        labels = sorted(union_over_processes(set(self.sets)))
        figures: dict[str, float] = {}
        for label in labels:
            prefix = "eval/" if label == ALL else f"eval/{label}/"
            values = self._metrics(label, device).compute()
            if self.greedy:
                values["greedy"] = self._greedy_metrics(label, device).compute()
            figures |= {prefix + name: round(float(value), 6) for name, value in values.items()}
        return figures

    def left_out(self, device: torch.device) -> dict[int, int]:
        """For each k that some problems have too few scored answers for, how many, over all processes."""
        metric = self._metrics(ALL, device)["pass@k"]
        assert isinstance(metric, PassAtK)
        with metric.sync_context():
            counts = metric.left_out.tolist()
        return {k: count for k, count in zip(self.ks, counts, strict=True) if count}

    def _count(self, rollouts: RolloutBatch, metrics_of: Any) -> None:
        """Add a batch to the metrics of all problems, and of each set where there are several."""
        metrics_of(ALL, rollouts.rewards.device).update(rollouts)
        groups = [problem.groups for problem in rollouts.problems]
        for label in sorted({label for own in groups for label in own}):
            places = torch.tensor([place for place, own in enumerate(groups) if label in own])
            metrics_of(label, rollouts.rewards.device).update(rollouts.select(places))

    def _metrics(self, label: str, device: torch.device) -> MetricCollection:
        if label not in self.sets:
            self.sets[label] = evaluation_metrics(self.ks).to(device)
        return self.sets[label]

    def _greedy_metrics(self, label: str, device: torch.device) -> Accuracy:
        if label not in self.greedy_sets:
            self.greedy_sets[label] = Accuracy().to(device)
        return self.greedy_sets[label]

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]


ALL = ""
"""The label of all problems together."""


def run_folder(trainer: Trainer) -> Path:
    """Where the run keeps its files; to be asked by all processes together, since the first tells the others."""
    folder = Path(trainer.log_dir or trainer.default_root_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _stage_name(trainer: Trainer) -> str:
    schedules = [callback for callback in trainer.callbacks if isinstance(callback, StageSchedule)]  # type: ignore[attr-defined]
    fn = trainer.state.fn
    return schedules[0].stage.name if schedules and fn == "fit" else str(fn and fn.value)
