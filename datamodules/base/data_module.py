"""Base classes of data modules: splits and loaders; generation and caching of puzzles.

They do not depend on reinforcement learning, nor on the kind of problem.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_only

from app.kept import random_states_kept, settings_kept
from app.types import Problem
from datamodules.base.cache import cache_path, check_writable, default_cache_dir, read_lines, write_lines
from datamodules.base.chat import Chat
from datamodules.base.generate import Plan, check_plan, generate
from datamodules.base.stream import ProblemBatches, ProblemStream
from datamodules.base.wrapped import RepeatedProblem

log = logging.getLogger(__name__)

CACHE_FORMAT = 1
"""Part of the key of cached data: increase it when the same configuration generates other problems."""


class ProblemDataModule(LightningDataModule, ABC):
    """Serves the problems of `load_splits`: train as an endless stream, the other splits in order.

    The position in the train stream is part of this module's state, because Lightning does not restore
    a loader's state from a checkpoint written at the end of an epoch.

    Args:
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks. Stages may change it during a run, from the next batch
            on; the number of batches in a Lightning epoch does not change.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Attributes:
        chat: the messages before every question; the command line sets it before `setup`.
        predict_split: the split that `predict` samples answers to.
        task_name: the name of the task in run folders; "" takes it from the class's name.
    """

    def __init__(self, seed: int, batch_size: int, eval_batch_size: int) -> None:
        super().__init__()
        if eval_batch_size < 1:
            raise ValueError(f"eval_batch_size={eval_batch_size} must be at least 1")
        self.seed = seed
        self.eval_batch_size = eval_batch_size
        self.chat = Chat()
        self.task_name, self.predict_split = "", "test"
        self.splits: dict[str, list[Problem]] = {}
        self.fingerprints: dict[str, dict[str, Any]] = {}
        self._stream: ProblemStream | None = None
        self.batch_size = batch_size

    @abstractmethod
    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """The problems of "train", "validation" and "test", and the number of repeats dropped from each."""

    @property
    def batch_size(self) -> int:
        """P, problems per iteration over all ranks."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, batch_size: int) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1")
        if self.splits:
            check_fits(batch_size, len(self.splits["train"]))
        self._batch_size = batch_size
        if self._stream is not None:
            self._stream.batch_size = batch_size

    @random_states_kept()
    @settings_kept()
    def setup(self, stage: str) -> None:
        """Load all splits, once, for any stage; only `fit` needs a train split."""
        if self.splits:
            return
        splits, dropped = self.load_splits()
        splits = {split: self.chat.ask_all(split, problems) for split, problems in splits.items()}
        for split in {"fit": ("train", "validation"), "validate": ("validation",)}.get(stage, ()):
            if not splits[split]:
                raise ValueError(f"the {split} split is empty: {dropped[split]} problems were dropped as repeats")
        if stage == "fit":
            check_distinct(splits["train"])
        log_sizes(splits, dropped)
        self.fingerprints = {split: fingerprint(problems) for split, problems in splits.items()}
        if splits["train"] and (stage == "fit" or self.batch_size <= len(splits["train"])):
            check_fits(self.batch_size, len(splits["train"]))
            self._stream = ProblemStream(splits["train"], self.batch_size, self.seed)
        self.splits = splits

    @property
    def stream(self) -> ProblemStream:
        """The train loader, always the same object; RuntimeError before `setup`."""
        if self._stream is None:
            raise RuntimeError("setup() must be called before the train stream is read")
        return self._stream

    def train_dataloader(self) -> ProblemStream:
        """The stream, with this rank's share of each batch."""
        self.stream.rank, self.stream.world_size = self._rank_and_world_size()
        return self.stream

    def val_dataloader(self) -> ProblemBatches:
        return self._batches("validation")

    def test_dataloader(self) -> ProblemBatches:
        """The test split; ValueError if it is empty."""
        return self._batches("test")

    def predict_dataloader(self) -> ProblemBatches:
        """The split `predict_split`, each problem once; ValueError if it is empty."""
        return self._batches(self.predict_split)

    def state_dict(self) -> dict[str, Any]:
        return {**self.stream.state_dict(), "problems": self.fingerprints}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the position in the train stream; ValueError if the problems of a split have changed."""
        if self._stream is None or (self.trainer is not None and self.trainer.state.fn != "fit"):
            return  # nothing is drawn; the problems may be others
        check_same(state_dict["problems"], self.fingerprints)
        self._stream.load_state_dict(state_dict)

    def leave_out(self, places: Collection[int]) -> None:
        """Remove the problems with these indices, which cannot be used, from the train split."""
        kept = [place for place in range(len(self.splits["train"])) if place not in places]
        check_fits(self.batch_size, len(kept))
        self.splits["train"] = [self.splits["train"][place] for place in kept]
        self.stream.keep_only(kept)

    def _batches(self, split: str) -> ProblemBatches:
        if not self.splits[split]:
            raise ValueError(f"the {split} split is empty: there is nothing to evaluate")
        return ProblemBatches(self.splits[split], self.eval_batch_size, *self._rank_and_world_size())

    def _rank_and_world_size(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


class PuzzleDataModule(ProblemDataModule):
    """Base of the data modules that generate problems; for puzzles of your own use PuzzlesDataModule.

    Args:
        plan: for "train", "validation" and "test" the puzzles and the number of problems of each.
        seed: of the problems and of the order of training.
        batch_size: see `ProblemDataModule`.
        eval_batch_size: see `ProblemDataModule`.
        cache_dir: folder for generated problems; None: `$XDG_CACHE_HOME/passk` or `~/.cache/passk`.
        given: splits that are not generated and may be empty in the plan.

    Attributes:
        taken: keys of problems that must not be generated.

    Raises:
        ValueError: for a negative count, an empty train or validation split, more problems than exist,
            or a batch larger than the train split.
    """

    def __init__(
        self,
        plan: Plan,
        seed: int,
        batch_size: int,
        eval_batch_size: int,
        cache_dir: str | Path | None = None,
        given: Collection[str] = (),
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        check_plan(plan)
        totals = {split: sum(number for _, number in shares) for split, shares in plan.items() if split not in given}
        for split in ("train", "validation"):
            if split not in given and not totals[split]:
                raise ValueError(f"the {split} split is empty: it must hold at least one problem")
        if "train" not in given:
            check_fits(batch_size, totals["train"])
        self.plan = plan
        self.taken: Collection[str] = ()
        self.cache_dir = default_cache_dir() if cache_dir is None else Path(cache_dir).expanduser()

    @property
    def cache_path(self) -> Path:
        """The cache file of this configuration's problems."""
        puzzles = {
            split: [[type(puzzle).__qualname__, puzzle.fingerprint(), number] for puzzle, number in shares]
            for split, shares in self.plan.items()
        }
        config = {"format": CACHE_FORMAT, "seed": self.seed, "puzzles": puzzles}
        config |= {"taken": sorted(self.taken)} if self.taken else {}
        return cache_path(self.cache_dir, type(self).__name__, config)

    @random_states_kept()
    @settings_kept()
    def prepare_data(self) -> None:
        """Fill the cache, in one process of each machine."""
        if not self.cache_path.exists():
            check_writable(self.cache_dir)  # before generating
        self.load_splits()

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Load the splits from the cache, or generate and cache them."""
        lines = read_lines(self.cache_path)
        if lines is not None:
            return self._decode(lines)
        splits, dropped = generate(self.plan, self.seed, self.taken)
        write_lines(self.cache_path, self._encode(splits, dropped))
        return splits, dropped

    def _encode(self, splits: dict[str, list[Problem]], dropped: dict[str, int]) -> list[Any]:
        """Encode as plain data: first the numbers of dropped problems, then the problems in the order of the plan."""
        lines: list[Any] = [dropped]
        for split, shares in self.plan.items():
            problems = iter(splits[split])
            lines += [puzzle.dump(next(problems)) for puzzle, number in shares for _ in range(number)]
        return lines

    def _decode(self, lines: list[Any]) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Decode what `_encode` wrote."""
        dropped, *rest = lines
        data = iter(rest)
        splits = {
            split: [puzzle.load(next(data)) for puzzle, number in shares for _ in range(number)]
            for split, shares in self.plan.items()
        }
        return splits, dropped


def check_fits(batch_size: int, num_problems: int) -> None:
    """Raise ValueError if a batch would have more problems than there are."""
    if batch_size > num_problems:
        raise ValueError(f"batch_size={batch_size} must be at most the {num_problems} problems of the train split")


def check_distinct(problems: Sequence[Problem]) -> None:
    """Raise ValueError if a problem is in the train split twice: its copies would have the same answers."""
    first: dict[str, int] = {}
    for place, problem in enumerate(problems):
        before = first.setdefault(problem.key, place)
        if before != place:
            raise ValueError(
                f"problems {before + 1} and {place + 1} of train have one key, {problem.key!r:.60}: load_splits must "
                "leave out repeats, as datamodules.base.dedup.deduplicate does"
            )


def fingerprint(problems: Sequence[Problem]) -> dict[str, Any]:
    """The number of problems, and a digest of their labels, prompts and answers, in order.

    Raises:
        ValueError: for a problem whose text cannot be encoded.
    """
    digest = blake2b(digest_size=16)
    for place, problem in enumerate(problems):
        try:
            for text in (problem.label, problem.identity):
                written = text.encode()
                digest.update(b"%d," % len(written) + written)
        except UnicodeEncodeError as error:
            raise ValueError(f"{problem.origin or f'problem {place + 1} of {problem.label}'}: {error}") from None
    return {"number": len(problems), "digest": digest.hexdigest()}


def check_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise ValueError if the fingerprint of a split has changed."""
    for split, own in now.items():
        was = before.get(split)
        if was != own:
            numbers = (
                f"{was['number']} then, {own['number']} now" if isinstance(was, dict) else "of which it says nothing"
            )
            raise ValueError(
                f"the {split} split holds other problems or answers than when the checkpoint was written ({numbers}): "
                "a run goes on with the same data alone"
            )


@rank_zero_only
def log_sizes(splits: dict[str, list[Problem]], dropped: dict[str, int]) -> None:
    """Log the size of each split, and how many repeats were dropped from it and kept in it."""
    parts = []
    for split, problems in splits.items():
        kept = sum(isinstance(problem, RepeatedProblem) for problem in problems)
        said = {f"{kept} of them repeats": kept, f"and {dropped[split]} left out as repeats": dropped[split]}
        notes = ", ".join(note for note, number in said.items() if number)
        parts.append(f"{split} {len(problems)}" + f" ({notes})" * bool(notes))
    log.info("problems: %s", ", ".join(parts))


def set_chat(data: LightningDataModule | None, chat: Chat) -> None:
    """Set the messages before every question; ValueError for a data module that does not support them."""
    if isinstance(data, ProblemDataModule):
        data.chat = chat
    elif chat.changes:
        raise ValueError(f"chat has no effect on {type(data).__name__}, which is no ProblemDataModule")
