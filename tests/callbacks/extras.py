"""What tests name in YAML: an objective that always teaches, a callback that takes notes, problems half solved."""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import dataclass
from hashlib import blake2b
from threading import current_thread, main_thread
from time import sleep
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from app.advantages import AdvantageEstimator
from app.engines.snapshot import SnapshotEngine
from app.engines.transformers import TransformersEngine
from app.types import Completion, Problem, ProblemBatch, Rollouts
from datamodules.base.data_module import ProblemDataModule


class ByLength(AdvantageEstimator):
    """Longer answers than their problem's mean are better, whatever they say."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        lengths = rollouts.lengths.float()
        return lengths - lengths.mean(-1, keepdim=True)


class Slowly(ByLength):
    """Takes longer to train than a bar takes to be drawn again."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        sleep(0.5)
        return super().estimate(rollouts)


class SlowEngine(TransformersEngine):
    """Takes as long to sample."""

    def generate(self, *arguments: Any) -> list[list[Completion]]:
        sleep(0.5)
        return super().generate(*arguments)


class KilledAtStart(Callback):
    """Is killed when the first checkpoint has just been written."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class FullDisk(Callback):
    """Lets no file grow any more once the run has begun."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))


class OwnMetrics(Callback):
    """Logs numbers of its own: in training, on rank 0 alone; in every validation, and in every one but the first."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        if trainer.is_global_zero:
            self.log("own/iteration", float(pl_module.iteration))

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.log("own/validation", float(pl_module.iteration))
        if pl_module.iteration > 1:
            self.log("own/later", float(pl_module.iteration))


class EpochMetrics(Callback):
    """Logs the number of iterations at the end of every epoch."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.log("own/epoch", float(pl_module.iteration))


class Recorder(Callback):
    """Notes, of every iteration, what it ran with."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: ProblemBatch, batch_idx: int) -> None:
        self.updates_in_state = int(max([state["step"] for state in trainer.optimizers[0].state.values()], default=0))

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: ProblemBatch, batch_idx: int
    ) -> None:
        rollouts, settings, answered = batch.rollouts, pl_module.settings, pl_module.worker.settings
        self.seen.append(
            {
                "stage": pl_module.stage,
                "advantage": type(settings.advantage).__name__,
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                "problems": len(batch),
                "keys": " ".join(problem.key for problem in batch.problems),
                "rollouts": rollouts.rewards.shape[1],
                "engine": type(answered.engine).__name__,
                "longest": int(rollouts.lengths.max()),
                "temperature": rollouts.temperature,
                "minibatch_size": settings.minibatch_size,
                "count_skipped_tokens": settings.count_skipped_tokens,
                "updates": pl_module.updates,
                "updates_in_state": self.updates_in_state,
                "weights": float(torch.stack([value.detach().sum() for value in pl_module.parameters()]).sum()),
            }
        )


class Silence(Callback):
    """Disables the progress bar, as Lightning does on all processes but the first."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        trainer.progress_bar_callback.disable()


class Death(Callback):
    """The process of this rank ends in the second iteration, by an exception or without a word."""

    def __init__(self, rank: int, silently: bool) -> None:
        self.rank, self.silently = rank, silently

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: ProblemBatch, batch_idx: int) -> None:
        if trainer.global_rank == self.rank and pl_module.iteration == 1:
            if self.silently:
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("the disk of this machine is gone")


@dataclass(frozen=True)
class Coin(Problem):
    """Half of all answers pass, whatever they say."""

    key: str
    prompt: str = "ab"
    solution: str = "a"
    label: str = "coin"

    def score(self, response: str) -> float:
        return float(blake2b(f"{self.key} {response}".encode(), digest_size=1).digest()[0] % 2)


class CoinDataModule(ProblemDataModule):
    """So many coins in every split."""

    kind = Coin

    def __init__(self, batch_size: int = 4, eval_batch_size: int = 8) -> None:
        super().__init__(0, batch_size, eval_batch_size)

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        splits = ("train", "validation", "test")
        problems = {split: [self.kind(f"{split} {index}") for index in range(16)] for split in splits}
        return problems, dict.fromkeys(splits, 0)


class CoinsOfTheUser(LightningDataModule):
    """A data module that is no ProblemDataModule: batches of coins in loaders, and no splits."""

    def train_dataloader(self) -> DataLoader[ProblemBatch]:
        batches = [ProblemBatch([Coin(f"{batch} {place}") for place in range(4)]) for batch in range(4)]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


class Moody(Coin):
    """Passes whoever says "a"; of some answers, or of all, the scorer makes nothing."""

    def score(self, response: str) -> float:
        if response == "hang":
            sleep(3600)
        if response == "raise" or (response == "odd" and int(self.key.split()[1]) % 2):
            raise ZeroDivisionError("one over nothing")
        return float(response == "a")


class MoodyDataModule(CoinDataModule):
    """So many of them."""

    kind = Moody


class Goes(Callback):
    """Asks this process to end, at the beginning of an iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: ProblemBatch, batch_idx: int) -> None:
        if pl_module.iteration == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


class FailingAside(SnapshotEngine):
    """Samples in the main thread, and once beside it."""

    times = 0

    def generate(self, requests: Any, n: int, sampling: Any) -> Any:
        if current_thread() is not main_thread():
            self.times += 1
            if self.times == 2:
                raise RuntimeError("the other GPU is gone")
        return super().generate(requests, n, sampling)


class Rescored(TransformersEngine):
    """Leaves log-probabilities to the trainer."""

    is_rescored = True


class Guess(SnapshotEngine):
    """Does not say that it goes on from tokens."""

    continues_tokens = False


class Seeding(ByLength):
    """Seeds torch's global generator when it is made, as a user's class may."""

    def __init__(self) -> None:
        torch.manual_seed(0)
