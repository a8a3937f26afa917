"""Two processes: the same run as one, whole or in shards, and neither left waiting for the other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import torch
import yaml

from app.storage.checkpoint import read_checkpoint
from app.storage.places import run_folders
from benchmarks.kill_and_resume import logged
from benchmarks.kill_and_resume import passk as run_passk
from benchmarks.make_vision_policy import PIXELS
from tests.app.seeing import write_vision
from tests.conftest import ROOT, CommandLine, build_tiny_policy, constant, demonstrated, gap, stage, steps
from tests.forked import ended, group, launched, log_of, started
from tests.test_resume import SAMPLERS

pytestmark = pytest.mark.timeout(200)

DDP = ["--trainer.devices=2", "--trainer.strategy=ddp"]
SHARDED = ["-c", str(ROOT / "configs" / "fsdp.yaml")]
UNEVEN = {
    "model": {"microbatch_tokens": 120, "minibatch_size": 5},
    "data": {"init_args": {"batch_size": 5, "validation": {7: 7}}},
}
"""Five problems on two processes, micro-batches of a row or a few, two updates where one process may have no row."""
STAGES = [
    demonstrated(problems=5, until=steps(4)),
    stage("explore", "tests.callbacks.extras.ByLength", learning_rate=constant(1e-2), until=steps(6), minibatch_size=2),
]


def newest(passk: CommandLine) -> Path:
    return list(run_folders(passk.folder / "runs" / "maze").values())[-1]


def run(passk: CommandLine, command: str, *options: str, **overlay: Any) -> Path:
    """The run folder of a command that succeeds in two processes that are started together, as a cluster does."""
    log, arguments = log_of(passk), [command, *passk.options(*options, **UNEVEN, **overlay)]
    assert ended(*[started(run_passk, arguments, log, place) for place in group()]) == [0, 0], log.read_text()
    return newest(passk)


def results(folder: Path) -> list[dict[str, Any]]:
    """Every validation's figures."""
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def curve(folder: Path, name: str) -> list[tuple[int, bytes]]:
    return logged(folder)[name]


@pytest.mark.slow
def test_two_processes_end_as_one_does_whole_or_in_shards(passk: CommandLine) -> None:
    """Ten iterations; then the second stage again from the checkpoint of the first, in shards."""
    schedule = {"stages": STAGES}
    alone = Path(passk("fit", **UNEVEN, schedule=schedule).trainer.log_dir)
    ddp = run(passk, "fit", *DDP, schedule=schedule)
    sharded = run(passk, "fit", *SHARDED, schedule=schedule)
    for name in ("1-cold-start", "2-explore"):
        folders = [folder / "stages" / name for folder in (alone, ddp, sharded)]
        assert gap(folders[0], folders[1]) < 1e-6
        assert gap(folders[1], folders[2]) < 1e-6
    for run_folder in (ddp, sharded):
        assert curve(run_folder, "rollout/reward") == curve(alone, "rollout/reward")
        for mine, theirs in zip(results(run_folder), results(alone), strict=True):
            assert mine == pytest.approx(theirs, abs=1e-5)
    checkpoint = sharded / "stages" / "1-cold-start" / "stage.ckpt"
    resumed = run(passk, "fit", *SHARDED, "--ckpt_path", str(checkpoint), schedule=schedule)
    assert gap(resumed / "stages" / "2-explore", sharded / "stages" / "2-explore") == 0
    last = sharded / "stages" / "2-explore" / "stage.ckpt"
    by_one = Path(passk("validate", "--ckpt_path", str(last), **UNEVEN, schedule=schedule).trainer.log_dir)
    in_shards = run(passk, "validate", *SHARDED, "--ckpt_path", str(last), schedule=schedule)
    assert (by_one / "results.jsonl").read_text() == (in_shards / "results.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["app.engines.transformers.TransformersEngine", "tests.callbacks.extras.Rescored"])
@pytest.mark.parametrize("options", [DDP, SHARDED], ids=["whole", "in shards"])
def test_dynamic_sampling_replaces_the_problems_that_one_process_does(
    passk: CommandLine, options: list[str], engine: str
) -> None:
    """Rounds are made together, also where one process has nothing to replace, or to score again."""
    overlay = {
        "data": {"class_path": "tests.callbacks.extras.CoinDataModule", "init_args": {"batch_size": 5}},
        "model": {"policy": {"init_args": {"alphabet": "ab"}}, "minibatch_size": 5, "count_skipped_tokens": False},
        "rollout": {"rollouts": 2, "max_resampling_rounds": 3, "engine": engine},
        "schedule": {"stages": [stage("explore", learning_rate=constant(1e-3), until=steps(6))]},
        "trainer": {"logger": {"init_args": {"name": "maze"}}},
    }
    alone = Path(passk("fit", cached=False, **overlay).trainer.log_dir)
    log, arguments = log_of(passk), ["fit", *passk.options(*options, cached=False, **overlay)]
    assert ended(*[started(run_passk, arguments, log, place) for place in group()]) == [0, 0], log.read_text()
    both = newest(passk)
    assert gap(alone / "stages" / "1-explore", both / "stages" / "1-explore") < 1e-6
    assert (alone / "problems.jsonl").read_text() == (both / "problems.jsonl").read_text()
    assert curve(alone, "rollout/resampling_rounds") == curve(both, "rollout/resampling_rounds")
    assert len({value for _, value in curve(alone, "rollout/resampling_rounds")}) > 1


@pytest.mark.slow
def test_a_trigger_that_fires_on_rank_0_alone_ends_the_stage_on_both(passk: CommandLine) -> None:
    reached = {"metric": "own/iteration", "value": 2.0}
    until = {"class_path": "callbacks.triggers.MetricReached", "init_args": reached}
    stages = [demonstrated(problems=5, until=until), demonstrated("again", problems=5, until=steps(1))]
    own = "--trainer.callbacks+=tests.callbacks.extras.OwnMetrics"
    folder = run(passk, "fit", *DDP, own, schedule={"stages": stages})
    assert [row["iteration"] for row in results(folder)] == [2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_two_processes_draw_the_problems_that_one_does(passk: CommandLine, name: str) -> None:
    """By a record of the answers of both."""
    coins = {"class_path": "tests.callbacks.extras.CoinDataModule", "init_args": {"batch_size": 5}}
    overlay = {
        "data": coins,
        "model": {"policy": {"init_args": {"alphabet": "ab"}}, "minibatch_size": 5},
        "draw": {"sampler": yaml.safe_load(SAMPLERS[name])},
        "schedule": {"stages": [stage("explore", learning_rate=constant(1e-3), until=steps(6))]},
        "trainer": {"logger": {"init_args": {"name": "maze"}}},
    }
    alone = Path(passk("fit", cached=False, **overlay).trainer.log_dir)
    log, arguments = log_of(passk), ["fit", *passk.options(*DDP, cached=False, **overlay)]
    assert ended(*[started(run_passk, arguments, log, place) for place in group()]) == [0, 0], log.read_text()
    both = newest(passk)
    assert gap(alone / "stages" / "1-explore", both / "stages" / "1-explore") < 1e-6
    assert (alone / "problems.jsonl").read_text() == (both / "problems.jsonl").read_text()
    for curve_of in ("draw/pass_rate", "draw/new", "draw/seen"):
        assert curve(alone, curve_of) == curve(both, curve_of)


REPLAY = {
    "groups": {"class_path": "app.replay.GroupReplay", "init_args": {"max_age": 3, "size": 6}},
    "prefixes": {"class_path": "app.replay.PrefixReplay", "init_args": {"target": 0.7, "gain": 1.0}},
}


@pytest.mark.slow
@pytest.mark.parametrize("options", [DDP, SHARDED], ids=["whole", "in shards"])
def test_two_processes_replay_what_one_does(passk: CommandLine, options: list[str]) -> None:
    """Groups in the same places, also where one process has none to replace, and from the same prefixes."""
    overlay = {
        "data": {"class_path": "tests.callbacks.extras.CoinDataModule", "init_args": {"batch_size": 5}},
        "model": {
            "policy": {"init_args": {"alphabet": "ab"}}, "minibatch_size": 2, "optimizer": {"init_args": {"eps": 1e-3}},
            "correction": {"class_path": "app.losses.TokenTIS"},
        },
        "replay": REPLAY,
        "rollout": {"rollouts": 2},
        "schedule": {"stages": [stage("explore", learning_rate=constant(1e-2), until=steps(10))]},
        "trainer": {"logger": {"init_args": {"name": "maze"}}},
    }  # fmt: skip
    alone = Path(passk("fit", cached=False, **overlay).trainer.log_dir)
    log, arguments = log_of(passk), ["fit", *passk.options(*options, cached=False, **overlay)]
    assert ended(*[started(run_passk, arguments, log, place) for place in group()]) == [0, 0], log.read_text()
    both = newest(passk)
    assert gap(alone / "stages" / "1-explore", both / "stages" / "1-explore") < 1e-6
    for curve_of in ("replay/share", "replay/kept", "replay/age", "prefix/share", "prefix/kept", "prefix/tokens"):
        assert curve(alone, curve_of) == curve(both, curve_of)
    assert (alone / "problems.jsonl").read_text() == (both / "problems.jsonl").read_text()
    assert len({value for _, value in curve(alone, "replay/share")}) > 2
    assert len({value for _, value in curve(alone, "prefix/share")}) > 2
    one, two = (
        read_checkpoint(folder / "checkpoints" / "last.ckpt")["callbacks"]["Replay"] for folder in (alone, both)
    )
    assert [*one["prefixes"]["steered"]] == [*two["prefixes"]["steered"]]
    assert [each["problem"] for each in one["groups"]["kept"]] == [each["problem"] for each in two["groups"]["kept"]]


@pytest.mark.slow
def test_an_adapter_in_shards_is_trained_kept_resumed_and_exported(passk: CommandLine) -> None:
    """As one process has it in single precision; and over bfloat16, as in configs/lora.yaml, exactly resumed."""
    pytest.importorskip("peft")
    base = passk.folder / "base"
    build_tiny_policy(context_length=1024).save(base)
    lora = ["--model.policy=app.policy.PretrainedPolicy", f"--model.policy.path={base}"]
    lora += ["-c", str(ROOT / "configs" / "lora.yaml"), "--model.optimizer.eps=1e-3"]  # no step on rounding alone
    by_length = {"advantage": "tests.callbacks.extras.ByLength", "learning_rate": constant(1e-2)}
    one, two = stage("one", **by_length), stage("two", **by_length)

    exact = [*lora, "--model.policy.dtype=float32"]
    alone = Path(passk("fit", *exact, **UNEVEN, schedule={"stages": [one]}).trainer.log_dir) / "stages" / "1-one"
    sharded = run(passk, "fit", *exact, *SHARDED, schedule={"stages": [one]}) / "stages" / "1-one"
    assert gap(alone, sharded) < 1e-6 < gap(alone, base)
    assert gap(alone / "adapter", sharded / "adapter", "adapter_model") < 1e-6

    schedule = {"stages": [one, two]}
    whole = run(passk, "fit", *lora, *SHARDED, schedule=schedule) / "stages"
    checkpoint = whole / "1-one" / "stage.ckpt"
    assert {".lora_" in name for name in torch.load(checkpoint, weights_only=True)["state_dict"]} == {True}
    resumed = run(passk, "fit", *lora, *SHARDED, f"--ckpt_path={checkpoint}", schedule=schedule) / "stages"
    assert gap(whole / "2-two" / "adapter", resumed / "2-two" / "adapter", "adapter_model") == 0
    assert gap(whole / "2-two", resumed / "2-two") == 0 < gap(whole / "2-two", whole / "1-one")


@pytest.mark.slow
def test_a_policy_that_sees_is_trained_in_shards(passk: CommandLine) -> None:
    """As one process has it, although processes make different numbers of passes through the tower."""
    folder = write_vision(passk.folder / "eyes")
    sees = ["--model.policy=app.policy.VisionPolicy", f"--model.policy.path={folder}", "--model.optimizer.eps=1e-3"]
    sees += ["--data.style=datamodules.maze.BarePicturePrompt", f"--data.style.pixels={PIXELS}"]
    schedule = {"stages": [stage("explore", "tests.callbacks.extras.ByLength", learning_rate=constant(1e-3))]}
    alone = Path(passk("fit", *sees, **UNEVEN, schedule=schedule).trainer.log_dir) / "stages" / "1-explore"
    sharded = run(passk, "fit", *sees, *SHARDED, schedule=schedule) / "stages" / "1-explore"
    assert gap(alone, sharded) < 1e-5 < gap(alone, folder)


@pytest.mark.slow
def test_shards_go_on_from_whole_weights_that_have_made_no_step(passk: CommandLine) -> None:
    """A stage's checkpoint whose optimizer begins anew, taken over by shards."""
    schedule = {"stages": [demonstrated(problems=5), {**STAGES[1], "until": steps(2), "reset_optimizer": True}]}
    alone = Path(passk("fit", **UNEVEN, schedule=schedule).trainer.log_dir)
    checkpoint = alone / "stages" / "1-cold-start" / "stage.ckpt"
    process, log = launched(passk, "fit", *SHARDED, "--ckpt_path", str(checkpoint), **UNEVEN, schedule=schedule)
    assert ended(process) == [0], log.read_text()
    assert gap(newest(passk) / "stages" / "2-explore", alone / "stages" / "2-explore") < 1e-6


@pytest.mark.parametrize(
    ("rank", "silently"),
    [
        pytest.param(1, True, id="1-is killed"),
        pytest.param(0, True, id="0-is killed", marks=pytest.mark.slow),
        pytest.param(0, False, id="0-raises", marks=pytest.mark.slow),
        pytest.param(1, False, id="1-raises", marks=pytest.mark.slow),
    ],
)
def test_a_process_that_ends_ends_the_other_with_it(passk: CommandLine, rank: int, silently: bool) -> None:
    death = {"class_path": "tests.callbacks.extras.Death", "init_args": {"rank": rank, "silently": silently}}
    schedule = {"stages": [stage("explore", "tests.callbacks.extras.ByLength", until=steps(50))]}
    begun = monotonic()
    process, log = launched(passk, "fit", *DDP, schedule=schedule, trainer={"callbacks": [death]})
    assert ended(process, seconds=60) not in ([0], [None])
    deadline = begun + 60
    while alive(process.pid) and monotonic() < deadline:
        sleep(0.1)
    assert not alive(process.pid), log.read_text()
    assert silently or "the disk of this machine is gone" in log.read_text()


def alive(session: int | None) -> bool:
    """Whether any process of the group goes on."""
    assert session is not None
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True
