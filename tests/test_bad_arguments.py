"""What classes refuse when they are built; `passk` puts each such error into one line (tests/test_bad_input.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.advantages import PassOne
from app.engines.demonstrations import DemonstrationEngine
from app.engines.transformers import TransformersEngine
from app.learning_rate import Constant, Linear
from app.losses import Clipped
from app.module import RLVRModule
from app.policy import TinyPolicy
from app.scoring import SubprocessScorer
from app.types import Sampling
from callbacks.checks import check_sampling
from callbacks.display.health import Health
from callbacks.display.samples import Samples
from callbacks.evaluation.evaluation import PassKEvaluation
from callbacks.rollout import RolloutCallback
from callbacks.schedule.schedule import Rounds, Stage, StageSchedule
from callbacks.triggers import EntropyFloor, Plateau, Steps
from datamodules.base.chat import Chat
from datamodules.maze import MazeDataModule
from datamodules.published_maze import PublishedMazeDataModule
from tests.test_bad_input import EMPTY, placed


def trained(**settings: Any) -> RLVRModule:
    return RLVRModule(TinyPolicy(), **settings)


MAZES = {"train": {7: 64}, "validation": {7: 8}, "test": {5: 4}, "batch_size": 4}
ROWS = {f"{split}_path": "{folder}/data.tsv" for split in ("train", "validation")}
ONE = Stage("exploit", PassOne(), Steps(2))

CONSTRUCTED: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "k of 0 in evaluation": (
        PassKEvaluation,
        {"n": 4, "ks": [0]},
        "k=0 must lie between 1 and the n=4 answers to each problem",
    ),
    "no k": (PassKEvaluation, {"ks": []}, "ks must name at least one k"),
    "n of 0": (PassKEvaluation, {"n": 0}, "n=0 must be at least 1"),
    "small size": (MazeDataModule, {**MAZES, "train": {3: 64}}, "size=3 must be odd and at least 5"),
    "empty train": (MazeDataModule, {**MAZES, "train": {}}, EMPTY.format("train")),
    "no train": (MazeDataModule, {**MAZES, "train": {7: 0}}, EMPTY.format("train")),
    "empty validation": (MazeDataModule, {**MAZES, "validation": {}}, EMPTY.format("validation")),
    "negative count": (
        MazeDataModule,
        {**MAZES, "train": {7: -1}},
        "train: the count -1 of 7x7 must be at least 0",
    ),
    "negative count in test": (
        MazeDataModule,
        {**MAZES, "test": {7: -1}},
        "test: the count -1 of 7x7 must be at least 0",
    ),
    "more than exist": (
        MazeDataModule,
        {**MAZES, "train": {5: 1000}, "min_distance": 4},
        "1004 distinct 5x5 problems are asked for over all splits, but only 24 exist",
    ),
    "loop rate": (MazeDataModule, {**MAZES, "loop_rate": 1.5}, "loop_rate=1.5 must lie in [0, 1]"),
    "distance": (
        MazeDataModule,
        {**MAZES, "test": {}, "min_distance": 100},
        "min_distance=100 must lie between 1 and 16, the longest path of a 7x7 maze",
    ),
    "batch above train": (
        MazeDataModule,
        {**MAZES, "batch_size": 65},
        "batch_size=65 must be at most the 64 problems of the train split",
    ),
    "batch of 0": (MazeDataModule, {**MAZES, "batch_size": 0}, "batch_size=0 must be at least 1"),
    "evaluation batch of 0": (MazeDataModule, {**MAZES, "eval_batch_size": 0}, "eval_batch_size=0 must be at least 1"),
    "no data format": (
        PublishedMazeDataModule,
        ROWS,
        "{folder}/data.tsv is neither a .parquet, .jsonl, .json or .csv file nor a hub id (owner/…",
    ),
    "a stage's batch of 0": (
        StageSchedule,
        {"stages": [replace(ONE, problems=0)]},
        "stage 'exploit': problems=0 must be at least 1",
    ),
    "no stage": (StageSchedule, {"stages": []}, "stages must hold at least one stage"),
    "two stages of one name": (
        StageSchedule,
        {"stages": [ONE, ONE]},
        "stage names must differ: ['exploit', 'exploit']",
    ),
    "a name that no folder may have": (
        StageSchedule,
        {"stages": [replace(ONE, name="s" * 201)]},
        "stage 'ssssssssssssssssssss'...: 201 characters, at most 200",
    ),
    "stage without until": (
        StageSchedule,
        {"stages": [replace(ONE, until=None), replace(ONE, name="more")]},
        "stage 'exploit' needs an `until`: only the last stage may do without",
    ),
    "no rounds": (StageSchedule, {"stages": [Rounds(0, [ONE])]}, "repeat=0 must be at least 1"),
    "no patience": (Plateau, {"metric": "eval/pass@1", "patience": 0}, "patience=0 must be at least 1"),
    "negative rise": (Plateau, {"metric": "eval/pass@1", "min_delta": -1.0}, "min_delta=-1.0 must be at least 0"),
    "negative floor": (EntropyFloor, {"nats": -1.0}, "nats=-1.0 must be at least 0"),
    "no iteration at most": (EntropyFloor, {"nats": 0.1, "at_most": 0}, "at_most=0 must be at least 1"),
    "learning rate below 0": (Constant, {"peak": -1.0e-3}, "peak=-0.001 must be above 0"),
    "an end before the start": (
        Linear,
        {"peak": 1.0e-3, "warmup": 0, "start": 5, "end": 3},
        "end=3 must come after the warm-up (0) and the start of the descent (5)",
    ),
    "clip_high below 0": (Clipped, {"clip_high": -0.1}, "clip_high=-0.1 must be at least 0"),
    "no gradient norm": (trained, {"max_grad_norm": 0.0}, "max_grad_norm=0.0 must be above 0"),
    "updates to skip": (
        trained,
        {"max_consecutive_nonfinite_updates": -1},
        "max_consecutive_nonfinite_updates=-1 must be at least 0",
    ),
    "no micro-batch": (trained, {"microbatch_tokens": 0}, "microbatch_tokens=0 must be at least 1"),
    "no memory to score": (SubprocessScorer, {"memory_gb": -1.0}, "memory_gb=-1.0 must be above 0 and finite"),
    "an example that is no message": (
        Chat,
        {"few_shot": [{"role": "user"}]},
        "chat.few_shot: {'role': 'user'} is no message with a role and a content",
    ),
    "no file of examples": (Chat, {"few_shot": "{folder}/no.jsonl"}, "{folder}/no.jsonl is not a file"),
    "unread prompts": (
        RolloutCallback,
        {"max_skipped_prompts": -0.1},
        "max_skipped_prompts=-0.1 must lie in [0, 1]",
    ),
    "unscored answers": (RolloutCallback, {"max_unscored": 1.5}, "max_unscored=1.5 must lie in [0, 1]"),
    "top_p of 0": (Sampling, {"top_p": 0.0}, "top_p=0.0 must lie in (0, 1]"),
    "no new tokens": (Sampling, {"max_new_tokens": 0}, "max_new_tokens=0 must be at least 1"),
    "letter twice": (
        TinyPolicy,
        {"alphabet": "SS"},
        "alphabet='SS' must hold at least one character, ASCII only and none twice",
    ),
    "typos without letters": (
        DemonstrationEngine,
        {"typo_rate": 0.5},
        "typo_rate needs typo_letters: the characters that typos may put",
    ),
    "pictures": (Samples, {"problems": -1}, "problems=-1 and answers=4 must be at least 0"),
    "bound of a warning": (Health, {"ratio": 0.5}, "ratio=0.5 must be above 1"),
    "no idle iterations": (Health, {"idle": 0}, "idle=0 must be at least 1"),
}
"""The class, its arguments, and what it says of them; "…" stands for more."""


@pytest.mark.parametrize(("build", "arguments", "message"), CONSTRUCTED.values(), ids=CONSTRUCTED)
def test_a_mistake_that_a_class_finds_when_it_is_built(
    build: Callable[..., Any], arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as raised:
        build(**placed(arguments, tmp_path))
    exact, is_open, _ = message.replace("{folder}", str(tmp_path)).partition("…")
    assert str(raised.value).startswith(exact) if is_open else str(raised.value) == exact


def test_a_cut_distribution_may_be_cut_by_number_too() -> None:
    with pytest.raises(ValueError, match="top_p=1 and top_k=5 must be 1 and 0 in training"):
        check_sampling(TransformersEngine(), Sampling(top_k=5))
