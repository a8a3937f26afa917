"""Samples each batch's rollouts before its training step, by `app/rollouts/worker.py`."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from time import perf_counter
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer

from app.advantages.base import check_share
from app.distributed.processes import gather_objects, union_over_processes
from app.engines.base import RolloutEngine
from app.engines.transformers import TransformersEngine
from app.metrics.components import ComponentMeans
from app.metrics.mismatch import mismatch
from app.module import RLVRModule
from app.rollouts.worker import RolloutWorker
from app.scoring import BatchScorer, SubprocessScorer
from app.settings import RolloutSettings
from app.types import Problem, ProblemBatch, Rollouts, Sampling
from callbacks.checks import check_ends, check_engine, check_overlap, check_policy
from callbacks.lookup import predict_on, problems_of
from callbacks.prompts import PromptCheck, check_prompts


class RolloutCallback(Callback):
    """Samples N answers to every problem and scores them, by the rollout worker.

    A truncated answer gets reward 0. An answer whose scorer fails is unscored (`app/scoring/`) and is left out.
    If as many answers in a row as an iteration samples have no score, the run ends with the first cause.

    Args:
        engine: samples from the policy, defaults to TransformersEngine; a stage may use another.
        rollouts: N, answers to each problem in training and in `predict`.
        sampling: temperature, top_p and limits of these answers.
        max_resampling_rounds: dynamic sampling (DAPO, 2503.14476): problems with zero advantages are replaced by others
            of the train split, which are sampled too, until none is left. The largest number of rounds, the first
            included; 1 replaces none.
        scorer: scores the answers, defaults to SubprocessScorer.
        max_unscored: the share of a batch's answers, on one process, that may be unscored before the run ends.
        max_skipped_prompts: the share of the train split that may be skipped because the policy cannot read the prompt
            or its context has no room for an answer; skipped problems are counted. A larger share is an error at start.
        overlap: sample every iteration of a stage but its first while the iteration before it trains, with the weights
            from before that training: one iteration off-policy, which requires `model.correction`.
        predict_split: the split that `predict` samples answers to: train, validation or test.
        seed: rollout r of a problem in iteration i is sampled with the seed "<seed>/fit/<i>/<problem>/<r>"; defaults
            to the run's `seed_everything`.
    """

    def __init__(
        self,
        engine: RolloutEngine | None = None,
        rollouts: int = 32,
        sampling: Sampling | None = None,
        max_resampling_rounds: int = 1,
        scorer: BatchScorer | None = None,
        max_unscored: float = 1.0,
        max_skipped_prompts: float = 0.0,
        overlap: bool = False,
        predict_split: Literal["train", "validation", "test"] = "test",
        seed: int | None = None,
    ) -> None:
        for name, value in {"rollouts": rollouts, "max_resampling_rounds": max_resampling_rounds}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        check_share("max_unscored", max_unscored)
        check_share("max_skipped_prompts", max_skipped_prompts)
        settings = RolloutSettings(engine or TransformersEngine(), rollouts, sampling or Sampling())
        limits = {"max_unscored": max_unscored, "max_skipped_prompts": max_skipped_prompts}
        self.worker = RolloutWorker(settings, scorer or SubprocessScorer(), overlap=overlap, seed=seed or 0, **limits)
        self.max_resampling_rounds, self.predict_split = max_resampling_rounds, predict_split
        self.unscored = 0  # training answers in a row without a score, over all processes
        self.begun = 0.0  # when training of this iteration began, in seconds of `perf_counter`

    # -- setup and teardown ---------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        module, worker = RLVRModule.of(pl_module), self.worker
        worker.attach(module)
        module.worker = worker
        check_policy(worker.engine, module.policy)
        if stage == "fit":
            check_engine(worker.engine, worker.overlap)
            if worker.overlap:
                check_overlap(trainer, module)
            if self.max_resampling_rounds > 1 and trainer.overfit_batches:  # type: ignore[attr-defined]
                rounds = self.max_resampling_rounds
                raise ValueError(
                    f"max_resampling_rounds={rounds} must be 1 with overfit_batches, which keeps its problems"
                )
        if stage == "predict":
            predict_on(trainer, self.predict_split)
        worker.scorer.begin()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.worker.set_up(self.worker.engine)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self.worker.set_up(self.worker.engine)

    on_test_start = on_validation_start

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        policy, sampling = RLVRModule.of(pl_module).policy, self.worker.settings.sampling
        check_ends(policy, sampling)
        check_prompts(
            PromptCheck(policy),
            {self.predict_split: problems_of(trainer, self.predict_split)},
            lambda problem: sampling.max_new_tokens,
        )
        self.worker.set_up(self.worker.engine)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.worker.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.worker.close()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.worker.overlap:
            checkpoint["ahead"] = self.worker.prefetcher.save(RLVRModule.of(pl_module).iteration)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.worker.overlap and checkpoint.get("ahead"):
            self.worker.prefetcher.load(checkpoint["ahead"])

    # -- an iteration ---------------------------------------------------------------------------------

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Repeat the same batches in every epoch if `overfit_batches` is above 0."""
        stream = getattr(getattr(trainer, "datamodule", None), "stream", None)
        if trainer.overfit_batches and stream is not None:  # type: ignore[attr-defined]
            stream.rewind()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProblemBatch, batch_idx: int
    ) -> None:
        module, worker = RLVRModule.of(pl_module), self.worker
        worker.begin_iteration()
        rollouts = worker.sample(batch.problems, f"fit/{module.iteration}", training=True, repeats=batch.repeats)
        self._end_where_nothing_is_scored(module, rollouts)
        if self.max_resampling_rounds > 1:
            rollouts = self._resample(trainer, module, rollouts)
        batch.problems, batch.sampled = rollouts.problems, rollouts
        components = ComponentMeans()
        components.update(rollouts)
        module.log_metrics(components.compute(module.device))
        if worker.settings.engine.is_rescored and worker.settings.sampling.is_whole:
            module.log_metrics(mismatch(rollouts))
        if worker.overlap:
            following = self._following(trainer)
            worker.prefetch(following.problems, module.iteration + 1, following.repeats)
        self.begun = worker.begin_training()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: ProblemBatch, batch_idx: int
    ) -> None:
        seconds = {f"time/{name}": value for name, value in self.worker.seconds.items()}
        seconds["time/training"] = perf_counter() - self.begun
        total, tokens = sum(seconds.values()), float(batch.rollouts.lengths.sum())
        pl_module.log_dict({**seconds, "time/iteration": total}, batch_size=len(batch))
        pl_module.log("time/tokens_per_second", tokens / total, batch_size=len(batch))

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProblemBatch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        batch.sampled = self.worker.sample(batch.problems, "predict")

    def _end_where_nothing_is_scored(self, module: RLVRModule, rollouts: Rollouts) -> None:
        """Raise ValueError if an iteration's number of answers in a row, of two problems or more, is unscored.

        Truncated answers are not given to the scorer; they do not count and do not reset the count.
        """
        scored = int((rollouts.scored & ~rollouts.truncated).sum())
        scored, unscored, problems = module.sum_over_processes([scored, int((~rollouts.scored).sum()), len(rollouts)])
        self.unscored = 0 if scored else self.unscored + unscored
        if unscored and self.unscored >= max(problems, 2) * self.worker.settings.rollouts:
            cause = self.worker.first_cause or "another process tells"
            raise ValueError(f"none of the last {self.unscored} answers could be scored; the first: {cause}")

    def _following(self, trainer: Trainer) -> ProblemBatch:
        """The next batch, for whose draw the problems that were just sampled count as drawn."""
        stream = trainer.datamodule.stream  # type: ignore[attr-defined]
        parts = gather_objects([stream.record.place(each.problem) for each in self.worker.outcomes])
        return stream.peek({place for part in parts for place in part})

    def _resample(self, trainer: Trainer, module: RLVRModule, rollouts: Rollouts) -> Rollouts:
        """Replace problems with zero advantages, and log their share."""
        others = self._others(trainer, f"{self.worker.seed}/dynamic/{module.iteration}", rollouts)
        advantage, phase = module.settings.advantage, f"fit/{module.iteration}"
        rollouts, counts = self.worker.resample(rollouts, phase, advantage, others, self.max_resampling_rounds)
        share = module.mean_over_processes({"dead": counts["dead"] / counts["sampled"]}, counts["sampled"])
        rounds = module.mean_over_processes({"rounds": counts["rounds"]}, 1)
        module.log_metrics({"rollout/dead": share["dead"], "rollout/resampling_rounds": rounds["rounds"]})
        return rollouts

    @staticmethod
    def _others(trainer: Trainer, sentence: str, rollouts: Rollouts) -> Iterator[Problem]:
        """Problems of the train split that are in no process's batch, in the same order on all processes."""
        seen = union_over_processes({problem.key for problem in rollouts.problems})
        train = problems_of(trainer, "train")
        stream = getattr(trainer.datamodule, "stream", None)  # type: ignore[attr-defined]
        order = Random(sentence).sample(range(len(train)), len(train)) if stream is None else stream.others(sentence)
        return (train[index] for index in order if train[index].key not in seen)
