"""Runs that are killed, stopped, edited, extended or branched off go on exactly where they were, or are refused."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from benchmarks.kill_and_resume import arguments_for, differences, logged, newest, run, trial
from tests.conftest import PICTURES, CommandLine, constant, demonstrated, gap, stage, steps


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stops."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert run(arguments_for(folder), folder / "log") == 0
    return folder


@pytest.mark.parametrize(
    "phases", [["cold start", "checkpoint"], ["sampling", "validation"], ["backward", "transition"]]
)
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_run_cut_short_ends_as_the_whole_one(
    whole: Path, tmp_path: Path, phases: list[str], by: signal.Signals
) -> None:
    random = Random(f"{phases}")
    moments = [(phase, random.randint(1, 2), random.uniform(0, 0.05)) for phase in phases]
    assert trial(tmp_path, moments, by) > 0
    assert differences(whole, tmp_path) == []


def test_one_that_is_stopped_says_so_in_a_line(tmp_path: Path) -> None:
    assert run(arguments_for(tmp_path), tmp_path / "log", ("validation", 1, 0.0), signal.SIGTERM) == 0
    last = newest(tmp_path) / "checkpoints" / "last.ckpt"
    said = (tmp_path / "log").read_text().splitlines()[-1]
    assert said == f"stopped after iteration 3; to go on: --ckpt_path {last}"


def test_ctrl_c_does_the_same_with_a_status_of_its_own(whole: Path, tmp_path: Path) -> None:
    """In the middle of sampling and of a validation, which are given up."""
    arguments, log = arguments_for(tmp_path), tmp_path / "log"
    for phase, times, iteration in (("sampling", 2, 8), ("validation", 1, 9)):
        assert run(arguments, log, (phase, times, 0.0), signal.SIGINT) == 130
        last = newest(tmp_path) / "checkpoints" / "last.ckpt"
        assert log.read_text().splitlines()[-1] == f"stopped after iteration {iteration}; to go on: --ckpt_path {last}"
    assert run(arguments, log) == 0
    assert differences(whole, tmp_path) == []


def test_slurm_requeues_it(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Lightning's own plugin; `scontrol` is one that takes notes."""
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/requeued\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{scontrol.parent}:{os.environ['PATH']}")
    job = {"NTASKS": 1, "NTASKS_PER_NODE": 1, "JOB_ID": 17, "JOB_NAME": "passk", "PROCID": 0, "LOCALID": 0, "NODEID": 0}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    arguments = [*arguments_for(tmp_path), f"--trainer.default_root_dir={tmp_path}"]
    assert run(arguments, tmp_path / "log", ("backward", 2, 0.0), signal.SIGUSR1) == 0
    assert (tmp_path / "requeued").read_text() == "requeue 17\n"
    assert run(arguments, tmp_path / "log") == 0
    assert differences(whole, tmp_path) == []


# -- in other folders and under other configurations --------------------------------------------------

STAGES = [
    demonstrated(),
    stage("explore", "app.advantages.Imitate", learning_rate=constant(1e-2)),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of a finished run through two stages; to be copied."""
    passk = CommandLine(tmp_path_factory.mktemp("begun"), cache)
    return Path(passk.fit(STAGES, *PICTURES).trainer.log_dir)


def again(passk: CommandLine, begun: Path) -> Path:
    """A copy of the run in the folder of a test."""
    return Path(shutil.copytree(begun, passk.folder / "runs" / "maze" / "version_0"))


def exported(cli: Any, name: str = "2-explore") -> Path:
    return Path(cli.trainer.log_dir) / "stages" / name


def test_a_checkpoint_on_the_way_begins_a_folder_with_all_that_came_before(passk: CommandLine, begun: Path) -> None:
    folder = again(passk, begun)
    cli = passk.fit(STAGES, *PICTURES, "--ckpt_path", str(folder / "stages" / "1-cold-start" / "stage.ckpt"))
    assert Path(cli.trainer.log_dir).name == "version_1"
    assert logged(Path(cli.trainer.log_dir)) == logged(folder) == logged(begun)
    assert (Path(cli.trainer.log_dir) / "results.jsonl").read_text() == (folder / "results.jsonl").read_text()
    assert gap(exported(cli), folder / "stages" / "2-explore") == 0


def test_a_finished_run_has_nothing_left_to_do(passk: CommandLine, begun: Path) -> None:
    folder = again(passk, begun)
    before = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    cli = passk.fit(STAGES, "--auto_resume=true")
    assert cli.model.iteration == 4
    assert Path(cli.trainer.log_dir) == folder
    assert logged(folder) == logged(begun)
    assert all(torch.equal(before[name], value) for name, value in cli.model.state_dict().items())


@pytest.mark.parametrize(
    "longer",
    [
        [STAGES[0], {**STAGES[1], "until": steps(4)}],
        [*STAGES, stage("more", "app.advantages.Imitate", learning_rate=constant(1e-2))],
    ],
    ids=["stage", "schedule"],
)
def test_a_finished_run_goes_on_in_a_longer_schedule(passk: CommandLine, begun: Path, longer: list[Any]) -> None:
    again(passk, begun)
    cli = passk.fit(longer, "--ckpt_path=last")
    assert cli.model.iteration == 6
    assert sorted(step for step, _ in logged(Path(cli.trainer.log_dir))["stage/index"]) == [1, 2, 3, 4, 5, 6]


def test_auto_resume_begins_where_there_is_nothing(passk: CommandLine) -> None:
    cli = passk.fit([demonstrated()], "--auto_resume=true")
    assert cli.model.iteration == 2


def test_what_the_user_changed_holds_and_is_said(
    passk: CommandLine, begun: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Lightning would have the checkpoint's weight decay, put back with the optimizer's state."""
    again(passk, begun)
    longer = [*STAGES, demonstrated("more")]
    own = ["--model.max_grad_norm=0.5", "--model.optimizer.init_args.weight_decay=0.25"]
    cli = passk.fit(longer, *PICTURES, *own, "--ckpt_path=last")
    assert cli.model.max_grad_norm == 0.5
    assert cli.trainer.optimizers[0].param_groups[0]["weight_decay"] == 0.25
    assert cli.trainer.optimizers[0].param_groups[0]["betas"] == (0.9, 0.95)
    said = [line for line in caplog.messages if line.startswith(("going on", "changed"))]
    last = passk.folder / "runs" / "maze" / "version_0" / "checkpoints" / "last.ckpt"
    assert said == [
        f"going on from {last}: weights, optimizer, iteration 4, stage 2 are its own",
        "changed since then: model.optimizer.weight_decay is 0.25 and was 0.0, model.max_grad_norm is 0.5 and was 1.0, "
        "the number of stages is 3 and was 2",
    ]


REFUSED: dict[str, tuple[list[dict[str, Any]], list[str], str]] = {
    "other N": (STAGES, ["--rollout.rollouts=8"], "rollout.rollouts=8: it has 4"),
    "other N in the stage": (
        [STAGES[0], {**STAGES[1], "rollouts": 2}],
        [],
        "stage 2.rollouts=2: it is in it with None",
    ),
    "other data": (STAGES, ["--data.init_args.train={7: 63}"], "data.train={'7': 63}: it has {'7': 64}"),
    "other seed of the data": (STAGES, ["--data.init_args.seed=1"], "data.seed=1: it has 0"),
    "other stages before": (
        [{**STAGES[0], "until": steps(1)}, STAGES[1]],
        [],
        "stage 1.until.steps=1: it has been through it with 2",
    ),
    "other optimizer": (
        STAGES,
        ["--model.optimizer=torch.optim.SGD"],
        "model.optimizer.class_path=torch.optim.SGD: it has torch.optim.AdamW",
    ),
    "other policy": (STAGES, ["--model.policy.init_args.num_heads=1"], "model.policy.num_heads=1: it has 2"),
    "fewer stages": (STAGES[:1], [], "the run is in stage 2, the schedule has 1"),
}


@pytest.mark.parametrize(("stages", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_it_cannot_go_on_with_is_refused(
    passk: CommandLine,
    begun: Path,
    stages: list[dict[str, Any]],
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    again(passk, begun)
    with pytest.raises(SystemExit) as ended:
        passk.fit(stages, *options, "--ckpt_path=last")
    assert ended.value.code == 2
    prefix = "" if message.startswith("the run is") else "the run can't go on with "
    assert capsys.readouterr().err.splitlines()[-1] == f"passk: error: {prefix}{message}"


def test_a_checkpoint_of_another_policy_is_refused_by_name(
    passk: CommandLine, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(passk, begun)
    with pytest.raises(SystemExit):
        passk("validate", "--model.policy.init_args.hidden_size=32", "--ckpt_path=last")
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith(
        "passk: error: the checkpoint is of another policy: policy.model.model.embed_tokens.weight is"
    )


def test_the_best_checkpoint_has_a_transformers_folder_beside_it(begun: Path) -> None:
    checkpoints = begun / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["best", "best.ckpt", "last.ckpt"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in (checkpoints / "best").iterdir()
    }
