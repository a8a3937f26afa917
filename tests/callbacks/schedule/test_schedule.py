"""Stages in real runs: what each trains with, when it ends, what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.advantages import CurveRL, PassOne
from app.cli import main
from app.module import RLVRModule
from app.scoring import InProcess
from app.types import ProblemBatch, Rollouts
from callbacks.rollout import RolloutCallback
from callbacks.schedule.schedule import Rounds, Stage, StageSchedule
from callbacks.triggers import MetricReached, Plateau, Steps
from tests.callbacks.extras import EpochMetrics, OwnMetrics
from tests.conftest import (
    BY_LENGTH,
    CommandLine,
    EchoProblem,
    Run,
    build_tiny_policy,
    callback,
    constant,
    demonstrated,
    gap,
    scripted,
    stage,
    steps,
    weights,
)

RECORDER = "--trainer.callbacks+=tests.callbacks.extras.Recorder"


def seen(cli: Any, *names: str) -> list[Any]:
    """What each iteration ran with, under these names."""
    rows = [tuple(row[name] for name in names) for row in callback(cli, "Recorder").seen]
    return [row[0] for row in rows] if len(names) == 1 else rows


class CountsItsStages(Steps):
    """Notes how often a stage of it has begun."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.begun = 0

    def reset(self) -> None:
        self.begun += 1


def test_every_stage_begins_with_a_trigger_that_has_been_reset(passk: CommandLine) -> None:
    """The first one too."""
    until = {"class_path": "tests.callbacks.schedule.test_schedule.CountsItsStages", "init_args": {"steps": 1}}
    one = {"advantage": "app.advantages.Imitate", "until": until}
    cli = passk.fit([stage("one", **one), stage("two", **one)], "--trainer.limit_val_batches=0")
    assert [each.until.begun for each in callback(cli, "StageSchedule").stages] == [1, 1]


# -- what a stage sets ------------------------------------------------------------------------------

OVERRIDES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "learning rate": ({"learning_rate": constant(0.5)}, {"learning_rate": 0.5}),
    "problems": ({"problems": 3}, {"problems": 3}),
    "rollouts": ({"rollouts": 3}, {"rollouts": 3}),
    "engine": ({"engine": scripted("U", "DD")}, {"engine": "ScriptedEngine"}),
    "sampling": ({"sampling": {"temperature": 0.5, "max_new_tokens": 3}}, {"temperature": 0.5, "longest": 3}),
    "minibatch size": ({"minibatch_size": 1}, {"minibatch_size": 1, "updates": 4}),
    "skipped tokens": ({"count_skipped_tokens": False}, {"count_skipped_tokens": False}),
}
"""What a stage says, and what its only iteration shows of it."""


def test_an_override_holds_for_its_stage_and_no_longer(passk: CommandLine) -> None:
    """Each between two stages without any, in one run, which leaves no folders of stages where none are asked for."""
    one = {"advantage": "app.advantages.Imitate", "until": steps(1)}
    stages = [stage("before", **one)]
    for name, (override, _) in OVERRIDES.items():
        stages += [stage(name, **{**one, **override}), stage(f"after {name}", **one)]
    cli = passk.fit(stages, RECORDER, "--trainer.limit_val_batches=0", "--schedule.save_stages=false")
    usual = {
        "learning_rate": pytest.approx(4e-4 * 2 / 5),  # of the second update of a warm-up over five
        "problems": 4,
        "rollouts": 4,
        "engine": "TransformersEngine",
        "temperature": 1.0,
        "minibatch_size": 2,
        "count_skipped_tokens": True,
        "updates": 2,
    }
    assert not (Path(cli.trainer.log_dir) / "stages").exists()
    rows = callback(cli, "Recorder").seen
    assert [row["stage"] for row in rows] == [each["name"] for each in stages]
    for row in rows:
        _, shown = OVERRIDES.get(row["stage"], ({}, usual))
        assert {name: row[name] for name in shown} == shown, row["stage"]


def test_optimizer_state_is_reset_or_kept(passk: CommandLine) -> None:
    """Two updates in each iteration; the learning rate begins anew either way."""
    reset, kept = (stage(f"reset: {reset}", BY_LENGTH, reset_optimizer=reset) for reset in (True, False))
    cli = passk.fit([demonstrated(), reset, kept], RECORDER)
    assert seen(cli, "updates_in_state", "updates") == [(0, 2), (2, 4), (0, 2), (2, 4), (4, 2), (6, 4)]


# -- how stages follow one another ------------------------------------------------------------------


def test_rounds_number_their_stages(passk: CommandLine) -> None:
    one = {"until": steps(1)}
    rounds = {"repeat": 2, "stages": [stage("explore", BY_LENGTH, **one), stage("exploit", **one)]}
    cli = passk.fit([demonstrated(**one), rounds], RECORDER)
    assert seen(cli, "stage") == ["cold start", "explore 1", "exploit 1", "explore 2", "exploit 2"]
    names = sorted(path.name for path in (Path(cli.trainer.log_dir) / "stages").iterdir())
    assert names == ["1-cold-start", "2-explore-1", "3-exploit-1", "4-explore-2", "5-exploit-2"]


def test_a_stage_that_measures_forgets_between_rounds(passk: CommandLine) -> None:
    """A plateau over two validations, one an iteration, of a figure that never rises; rounds alone are a schedule."""
    plateau = {"class_path": "callbacks.triggers.Plateau", "init_args": {"metric": "eval/pass@1", "patience": 2}}
    part = stage("explore", engine=scripted("U"), until=plateau)
    cli = passk.fit([{"repeat": 2, "stages": [part]}], RECORDER, "--trainer.val_check_interval=1")
    assert seen(cli, "stage") == ["explore 1"] * 3 + ["explore 2"] * 3


def test_an_objective_forgets_between_rounds() -> None:
    """A checkpoint has the state of the present stage alone: a round that went on from another could not be resumed."""
    rounds = Rounds(2, [Stage("a", CurveRL(), Steps(1)), Stage("b", PassOne(), Steps(1))])
    one, other, again, _ = StageSchedule((rounds,)).stages
    one.advantage.observe(Rollouts([EchoProblem("a")], rewards=torch.tensor([[0.0, 1.0]])))
    assert one.advantage.state_dict() != again.advantage.state_dict() == CurveRL().state_dict()
    assert (again.until, other.name, again.name) == (one.until, "b 1", "a 2")


@pytest.mark.slow
def test_a_run_resumed_between_rounds_ends_as_the_whole_one(passk: CommandLine) -> None:
    """Resumed in the first round's last stage; the objective of the stage before and after it has a state."""
    rounds = {"repeat": 2, "stages": [stage("explore", "app.advantages.CurveRL"), stage("exploit", until=steps(1))]}
    options = [
        "--data=tests.callbacks.extras.CoinDataModule", "--model.policy.alphabet=ab", "--rollout.rollouts=6",
        "--trainer.limit_val_batches=0",
    ]  # fmt: skip
    whole = Path(passk.fit([rounds], *options).trainer.log_dir) / "stages"
    since = f"--ckpt_path={whole / '1-explore-1' / 'stage.ckpt'}"
    resumed = Path(passk.fit([rounds], *options, since).trainer.log_dir) / "stages"
    assert gap(whole / "1-explore-1", whole / "3-explore-2") > 0
    assert gap(whole / "3-explore-2", resumed / "3-explore-2") == 0


@pytest.mark.parametrize("stages", [[Rounds(2, [Stage("a", PassOne(), Steps(1))]), Stage("a 2", PassOne())]])
def test_names_must_differ_after_rounds_are_unrolled(stages: list[Stage | Rounds]) -> None:
    with pytest.raises(ValueError, match="stage names must differ"):
        StageSchedule(stages)


def test_a_last_stage_without_end_lasts_as_long_as_the_trainer(passk: CommandLine) -> None:
    """`max_steps` counts optimizer steps, two an iteration here."""
    cli = passk.fit([demonstrated(until=steps(1)), demonstrated("more", until=None)], RECORDER, "--trainer.max_steps=8")
    assert seen(cli, "stage") == ["cold start"] + ["more"] * 3


@pytest.mark.parametrize("validation", ["--trainer.limit_val_batches=0", "--trainer.val_check_interval=1000"])
def test_stages_follow_one_another_without_a_validation_in_between(passk: CommandLine, validation: str) -> None:
    """Each with its own objective."""
    cli = passk.fit([demonstrated(), stage("explore", BY_LENGTH), stage("exploit")], RECORDER, validation)
    assert seen(cli, "stage", "advantage") == [
        *[("cold start", "Imitate")] * 2, *[("explore", "ByLength")] * 2, *[("exploit", "PassOne")] * 2,
    ]  # fmt: skip
    results = Path(cli.trainer.log_dir) / "results.jsonl"
    assert results.exists() == ("interval" in validation)  # the end of a stage asks for its own


def test_a_goal_ends_a_stage_at_the_validation_that_reaches_it(passk: CommandLine) -> None:
    goal = {"class_path": "callbacks.triggers.MetricReached", "init_args": {"metric": "eval/pass@1", "value": 0.5}}
    half = {"engine": scripted("{solution}", "U")}
    cli = passk.fit([demonstrated(until=goal), stage("exploit", until=steps(1))], RECORDER, rollout=half)
    assert seen(cli, "stage") == ["cold start"] * 2 + ["exploit"]  # validated every second iteration


def test_a_floor_of_entropy_ends_a_stage_after_any_iteration(passk: CommandLine) -> None:
    floor = {"class_path": "callbacks.triggers.EntropyFloor", "init_args": {"nats": 100.0, "patience": 3}}
    cli = passk.fit([stage("explore", BY_LENGTH, until=floor), stage("exploit", until=steps(1))], RECORDER)
    assert seen(cli, "stage") == ["explore"] * 3 + ["exploit"]


# -- what a stage leaves behind ---------------------------------------------------------------------


def test_stages_are_validated_at_their_last_iteration(finished: Run) -> None:
    assert [(row["iteration"], row["stage"]) for row in finished.results] == [
        (2, "cold start"), (3, "cold start"), (4, "explore"), (5, "explore"), (6, "exploit"),
    ]  # fmt: skip


def test_a_stage_is_validated_at_its_end_whichever_epochs_are(passk: CommandLine) -> None:
    """An epoch is three iterations; every second one ends with a validation."""
    epochs = ["--data.train={7: 12}", "--trainer.check_val_every_n_epoch=2", "--trainer.val_check_interval=1.0"]
    cli = passk.fit([stage("one", until=steps(4)), stage("two", until=steps(9))], *epochs)
    lines = (Path(cli.trainer.log_dir) / "results.jsonl").read_text().splitlines()
    records = [(record["stage"], record["iteration"]) for record in map(json.loads, lines)]
    assert records == [("one", 4), ("two", 6), ("two", 12), ("two", 13)]
    assert (cli.trainer.check_val_every_n_epoch, cli.trainer.val_check_batch) == (2, 3)


@pytest.mark.parametrize("name", ["1-cold-start", "2-explore", "3-exploit"])
def test_a_stage_leaves_a_transformers_folder(finished: Run, name: str) -> None:
    folder = finished.stage(name)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("S.E\n>", return_tensors="pt")["input_ids"]
    assert ids.shape == (1, 5)
    assert tokenizer.decode(model.generate(ids, max_new_tokens=2)[0][:5]) == "S.E\n>"
    assert (folder / "stage.ckpt").is_file()


def test_a_stages_two_copies_of_the_policy_agree(finished: Run) -> None:
    folder = finished.stage("2-explore")
    saved = torch.load(folder / "stage.ckpt", weights_only=True)["state_dict"]
    for name, value in weights(folder).items():
        assert torch.equal(value, saved[f"policy.model.{name}"])
    assert gap(folder, finished.stage("1-cold-start")) > 0


def test_a_checkpoint_holds_the_place_in_the_schedule(finished: Run) -> None:
    saved = torch.load(finished.stage("1-cold-start") / "stage.ckpt", weights_only=True)
    state = saved["callbacks"]["StageSchedule"]
    assert (state["index"], state["step"], state["until"]) == (1, 0, {"Steps": {}})
    assert saved["iteration"] == 3


def test_the_state_of_a_trigger_is_part_of_a_checkpoint() -> None:
    def schedule() -> StageSchedule:
        return StageSchedule([Stage("a", PassOne(), Plateau("eval/pass@1"))])

    first, second = schedule(), schedule()
    assert first.stage.until is not None and second.stage.until is not None
    first.stage.until.fires(1, {"eval/pass@1": 0.5})
    first.stage.until.fires(2, {"eval/pass@1": 0.4})
    second.load_state_dict(first.state_dict())
    assert second.stage.until.state_dict() == {"best": 0.5, "without_rise": 1}


def test_a_checkpoint_of_a_longer_schedule_is_refused(passk: CommandLine, finished: Run) -> None:
    with pytest.raises(SystemExit):
        passk.fit([demonstrated()], "--ckpt_path", str(finished.stage("2-explore") / "stage.ckpt"))


# -- what a cold start would teach ------------------------------------------------------------------


def test_demonstrations_that_do_not_pass_are_refused(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {"train": range(8), "validation": range(8, 10)}
    for name, numbers in rows.items():
        lines = (f'{{"prompt": "S>{number}", "answer": "U"}}\n' for number in numbers)
        (passk.folder / f"{name}.jsonl").write_text("".join(lines))
    task = {name: str(passk.folder / f"{name}.jsonl") for name in rows}
    task |= {"scorer": "tests.datamodules.graders.Tagged", "batch_size": 4}
    data = {"class_path": "datamodules.task.TaskDataModule", "init_args": task}
    overlay = {"data": data, "schedule": {"stages": [demonstrated()]}}
    with pytest.raises(SystemExit):
        main(["fit", *passk.options(cached=False, **overlay)])
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(
        "passk: error: stage 'cold start': none of 8 demonstrations passes: 'U' for 'S>0' has the score 0"
    )


# -- built in Python --------------------------------------------------------------------------------


class OfTheUser(LightningDataModule):
    """Two problems in every batch, whatever a stage asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.problems = [EchoProblem(letter) for letter in "abcdefgh"]

    def train_dataloader(self) -> DataLoader[ProblemBatch]:
        batches = [ProblemBatch(self.problems[place : place + 2]) for place in range(0, 8, 2)]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


def trained(*stages: Stage, after: Sequence[Callback] = ()) -> RLVRModule:
    """A module after these stages, in a Trainer whose last callbacks are `after`."""
    module = RLVRModule(build_tiny_policy())
    callbacks = [RolloutCallback(rollouts=2, scorer=InProcess()), StageSchedule(stages, save_stages=False), *after]
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(accelerator="cpu", devices=1, max_epochs=2, callbacks=callbacks, **off)  # type: ignore[arg-type]
    trainer.fit(module, OfTheUser())
    return module


def test_stages_follow_one_another_where_a_data_module_has_no_validation_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OfTheUser, "val_dataloader", lambda data: [])
    module = trained(*(Stage(name, PassOne(), Steps(2)) for name in ("one", "two")))
    assert (module.stage, module.iteration) == ("two", 4)


def test_a_trigger_reads_what_a_callback_after_the_schedule_logs() -> None:
    until = MetricReached("own/iteration", 3.0)
    assert trained(Stage("only", PassOne(), until), after=[OwnMetrics()]).iteration == 3


@pytest.mark.parametrize(("reached", "iterations"), [(4.0, 5), (8.0, 8)])
def test_a_trigger_reads_what_is_logged_at_an_epochs_end_after_the_next_iteration(
    reached: float, iterations: int
) -> None:
    """Epochs of four iterations; what no iteration has followed is part of a checkpoint."""
    left = {"own/epoch": float(iterations)}
    until = MetricReached("own/epoch", reached)
    module = trained(Stage("only", PassOne(), until), after=[EpochMetrics()])
    assert (module.iteration, module.of_epoch) == (iterations, left)
    checkpoint: dict[str, Any] = {}
    module.on_save_checkpoint(checkpoint)
    resumed = RLVRModule(module.policy)
    resumed.on_load_checkpoint(checkpoint)
    assert resumed.of_epoch == left


def test_a_stage_cannot_set_p_of_a_data_module_without_a_batch_size() -> None:
    said = "stage 'only': problems=4 must be null: the data module, OfTheUser, has no batch_size"
    with pytest.raises(ValueError, match=said):
        trained(Stage("only", PassOne(), Steps(1), problems=4))
