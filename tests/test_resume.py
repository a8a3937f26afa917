"""Runs that are killed, stopped, edited, extended or branched off go on exactly where they were, or are refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
import yaml

from benchmarks.kill_and_resume import arguments_for, differences, logged, newest, run, trial
from tests.conftest import CURVES, PICTURES, CommandLine, constant, demonstrated, gap, stage, steps
from tests.forked import ended, launched


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stops."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert run(arguments_for(folder), folder / "log") == 0
    return folder


@pytest.mark.parametrize(
    ("by", "phases"),
    [
        (signal.SIGKILL, ["cold start", "checkpoint"]),
        pytest.param(signal.SIGTERM, ["backward", "transition"], marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, ["sampling", "validation"], marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, ["backward", "transition"], marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, ["cold start", "checkpoint"], marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, ["sampling", "validation"], marks=pytest.mark.slow),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else " and ".join(value),
)
def test_a_run_cut_short_ends_as_the_whole_one(
    whole: Path, tmp_path: Path, by: signal.Signals, phases: list[str]
) -> None:
    random = Random(f"{phases}")
    moments = [(phase, random.randint(1, 2), random.uniform(0, 0.05)) for phase in phases]
    assert trial(tmp_path, moments, by) > 0
    assert differences(whole, tmp_path) == []


SAMPLERS = {
    "ByPassRate": "{class_path: app.draw.ByPassRate, init_args: {weight: eta}}",
    "Pools": "{class_path: app.draw.Pools, init_args: {in_a_row: 1, solved_at: 0.75, hard_at: 0.25}}",
    "Curriculum": "{class_path: app.draw.Curriculum, init_args: {target: {class_path: app.knobs.Ramp, init_args: "
    "{first: 0.8, last: 0.2, end: 12}}}}",
}
COINS = ["--data=tests.callbacks.extras.CoinDataModule", "--model.policy.alphabet=ab", "--trainer.logger.name=maze"]
"""Problems that about half of the answers pass, under the name of the mazes that they stand for."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "by"), zip(SAMPLERS, (signal.SIGKILL, signal.SIGTERM, signal.SIGTERM), strict=True))
def test_problems_drawn_by_what_was_passed_are_drawn_again(tmp_path: Path, name: str, by: signal.Signals) -> None:
    """Whatever has been counted since the checkpoint is forgotten with it; the record's file is the same, too."""
    more = [
        *COINS, f"--draw.sampler={SAMPLERS[name]}", "--schedule.explore.advantage=app.advantages.CurveRL",
        "--schedule.explore.knobs={rollouts: {class_path: app.knobs.Stepwise, init_args: {values: {0: 4, 3: 6}}}}",
    ]  # fmt: skip
    assert run([*arguments_for(tmp_path / "whole"), *more], tmp_path / "whole" / "log") == 0
    random = Random(name)
    moments = [(phase, random.randint(1, 3), random.uniform(0, 0.05)) for phase in ("sampling", "backward")]
    assert trial(tmp_path / "killed", moments, by, more=more) > 0
    assert differences(tmp_path / "whole", tmp_path / "killed") == []
    rows = [json.loads(row) for row in (newest(tmp_path / "whole") / "problems.jsonl").read_text().splitlines()]
    assert len(rows) > 8
    assert len({row["rate"] for row in rows}) > 3
    drawn = logged(newest(tmp_path / "whole"))
    assert len(drawn["draw/pass_rate"]) == len(drawn["stage/index"]) > 10


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM], ids=lambda by: by.name)
def test_what_was_kept_is_replayed_again(tmp_path: Path, by: signal.Signals) -> None:
    """Groups and prefixes at random moments, with an objective that marks problems and another that has a state."""
    adaptive = "{class_path: app.advantages.Adaptive, init_args: {explore: {class_path: app.advantages.PassK, "
    more = [
        *COINS, "--replay.groups={class_path: app.replay.GroupReplay, init_args: {max_age: 3, size: 7}}",
        "--schedule.explore.advantage=app.advantages.CurveRL", "--rollout.rollouts=3",
        "--model.learning_rate.peak=0.001",
        "--replay.prefixes={class_path: app.replay.PrefixReplay, init_args: {target: 0.7, gain: 1.0}}",
        f"--schedule.exploit.advantage={adaptive}init_args: {{k: 2}}}}}}}}",
    ]  # fmt: skip
    assert run([*arguments_for(tmp_path / "whole"), *more], tmp_path / "whole" / "log") == 0
    random = Random(f"replay {by.name}")
    phases = random.sample(("sampling", "backward", "validation", "checkpoint", "transition"), 3)
    moments = [(phase, random.randint(1, 3), random.uniform(0, 0.05)) for phase in phases]
    assert trial(tmp_path / "killed", moments, by, more=more) > 0
    assert differences(tmp_path / "whole", tmp_path / "killed") == []
    replayed = logged(newest(tmp_path / "whole"))
    assert len(replayed["replay/ess"]) > 3
    assert len(replayed["prefix/reward"]) > 3


CSV = "{class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: runs, name: maze}}"
WANDB = "{class_path: lightning.pytorch.loggers.WandbLogger, init_args: {save_dir: runs, project: maze, offline: true}}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("logger", "by"),
    [
        pytest.param(CSV, signal.SIGKILL, id="csv-killed"),
        pytest.param(WANDB, signal.SIGKILL, id="wandb-killed"),
        pytest.param(f"[{CSV}, {WANDB}]", signal.SIGTERM, id="both-stopped"),
    ],
)
def test_other_loggers_go_on_with_it(whole: Path, tmp_path: Path, logger: str, by: signal.Signals) -> None:
    """Each iteration stands once in `metrics.csv`, and Weights & Biases know the run by the same id."""
    if "Wandb" in logger:
        pytest.importorskip("wandb")
    assert trial(tmp_path, [("validation", 2, 0.0)], by, logger.replace("runs", str(tmp_path))) == 1
    assert [each for each in differences(whole, tmp_path) if "TensorBoard" not in each] == []
    for metrics in tmp_path.glob("maze/*/metrics.csv"):
        rows = read_metrics(metrics)
        for name in ("rollout/reward", "eval/pass@1"):
            assert [int(row["step"]) for row in rows if row[name]] == [step for step, _ in logged(newest(whole))[name]]
    ids = [path.name.rsplit("-", 1)[1] for path in tmp_path.glob("wandb/offline-run-*")]
    assert (len(ids), len(set(ids))) == ((2, 1) if "Wandb" in logger else (0, 0))


def read_metrics(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_that_is_stopped_says_so_in_a_line(tmp_path: Path) -> None:
    assert run(arguments_for(tmp_path), tmp_path / "log", ("validation", 1, 0.0), signal.SIGTERM) == 0
    last = newest(tmp_path) / "checkpoints" / "last.ckpt"
    said = (tmp_path / "log").read_text().splitlines()[-1]
    assert said == f"stopped after iteration 3; to go on: --ckpt_path {last}"


@pytest.mark.slow
def test_ctrl_c_does_the_same_with_a_status_of_its_own(whole: Path, tmp_path: Path) -> None:
    """In the middle of sampling and of a validation, which are given up."""
    arguments, log = arguments_for(tmp_path), tmp_path / "log"
    for phase, times, iteration in (("sampling", 2, 8), ("validation", 1, 9)):
        assert run(arguments, log, (phase, times, 0.0), signal.SIGINT) == 130
        last = newest(tmp_path) / "checkpoints" / "last.ckpt"
        assert log.read_text().splitlines()[-1] == f"stopped after iteration {iteration}; to go on: --ckpt_path {last}"
    assert run(arguments, log) == 0
    assert differences(whole, tmp_path) == []


@pytest.mark.slow
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


def test_what_callbacks_write_is_in_a_file_once(passk: CommandLine) -> None:
    """Lightning's write the learning rate with the number of iterations before; an epoch here is two iterations."""
    more = ["--trainer.logger=lightning.pytorch.loggers.CSVLogger", "--data.train={7: 8}"]
    more += ["--trainer.callbacks+=lightning.pytorch.callbacks.LearningRateMonitor"]
    more += ["--trainer.callbacks.logging_interval=step", "--trainer.callbacks+=tests.callbacks.extras.EpochMetrics"]
    whole = Path(passk.fit(STAGES, *more).trainer.log_dir)
    cli = passk.fit(STAGES, *more, "--ckpt_path", str(whole / "stages" / "1-cold-start" / "stage.ckpt"))
    for folder in (whole, Path(cli.trainer.log_dir)):
        rows = read_metrics(folder / "metrics.csv")
        assert [int(row["step"]) for row in rows if row["lr-AdamW"]] == [0, 1, 2, 3]
        assert [(int(row["step"]), float(row["own/epoch"])) for row in rows if row["own/epoch"]] == [(2, 2), (4, 4)]


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


def test_a_validation_before_training_is_not_repeated_by_a_run_that_goes_on(passk: CommandLine) -> None:
    """Where an epoch has ended Lightning begins as if nothing had been trained; here each iteration is an epoch."""
    options = ("--trainer.num_sanity_val_steps=-1", "--data.batch_size=64", "--trainer.val_check_interval=1")
    passk.fit([stage("explore", until=steps(2))], *options)
    cli = passk.fit([stage("explore", until=steps(3))], *options, "--ckpt_path=last")
    lines = (Path(cli.trainer.log_dir) / "results.jsonl").read_text().splitlines()
    records = [(record["stage"], record["iteration"]) for record in map(json.loads, lines)]
    assert records == [("before training", 0), *(("explore", iteration) for iteration in (1, 2, 3))]


def test_auto_resume_begins_where_there_is_nothing(passk: CommandLine) -> None:
    cli = passk.fit([demonstrated()], "--auto_resume=true")
    assert cli.model.iteration == 2


BOARD = {"class_path": "lightning.pytorch.loggers.TensorBoardLogger"}
TABLE = {"class_path": "lightning.pytorch.loggers.CSVLogger"}
RUNS = {"init_args": {"save_dir": "{folder}/runs", "name": "maze"}}
LOGGED: dict[str, tuple[Any, str]] = {
    "none": (False, "maze/version_0"),
    "Lightning's": (True, "maze/version_0"),
    "a version": ({**BOARD, "init_args": {**RUNS["init_args"], "version": "exp1"}}, "runs/maze/exp1"),
    "a folder within": ({**BOARD, "init_args": {**RUNS["init_args"], "sub_dir": "a/b"}}, "runs/maze/version_0/a/b"),
    "home": ({**BOARD, "init_args": {"save_dir": "~/runs", "name": "a/b"}}, "home/runs/a/b/version_0"),
    "no name": ({**TABLE, "init_args": {"save_dir": "{folder}/runs", "name": None}}, "runs/version_0"),
    "two": ([{**TABLE, **RUNS}, {**BOARD, **RUNS}], "runs/maze/version_0"),
    "two apart": ([{**BOARD, **RUNS}, {**TABLE, "init_args": {"save_dir": "{folder}/tables"}}], "runs/maze/version_0"),
}


QUICK = ("none", "two", "home")


@pytest.mark.parametrize(
    ("logger", "place"),
    [pytest.param(*LOGGED[name], id=name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in LOGGED],
)
def test_it_is_found_again_with_every_logger(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch, logger: Any, place: str
) -> None:
    monkeypatch.chdir(passk.folder)
    monkeypatch.setenv("HOME", str(passk.folder / "home"))
    trainer = yaml.safe_load(yaml.safe_dump({"logger": logger}).replace("{folder}", str(passk.folder)))
    folder = passk.folder / place
    for stages in ([demonstrated()], [demonstrated(), demonstrated("more")]):
        cli = passk.fit(stages, "--auto_resume=true", trainer=trainer)
        assert Path(cli.trainer.log_dir).samefile(folder)
    results = (folder / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in results] == [2, 4]
    assert [path.name for path in sorted((folder / "stages").iterdir())] == ["1-cold-start", "2-more"]
    for path in passk.folder.rglob("metrics.csv"):
        assert [int(row["step"]) for row in read_metrics(path) if row["rollout/reward"]] == [1, 2, 3, 4]
    for board in {path.parent for path in passk.folder.rglob("events.*")}:
        assert [step for step, _ in logged(board)["rollout/reward"]] == [1, 2, 3, 4]


def test_commands_that_come_after_it_do_not_hide_it(
    passk: CommandLine, begun: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A validation has a folder of its own; a `fit` that ends in its setup has none."""
    folder = again(passk, begun)
    passk("validate")
    with pytest.raises(SystemExit):
        passk.fit(STAGES, "--data.validation={7: 100000000}")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["version_0", "version_1"]
    assert passk.fit(STAGES, "--auto_resume=true").source == folder / "checkpoints" / "last.ckpt"
    assert passk("validate", "--ckpt_path=last").source == folder / "checkpoints" / "last.ckpt"
    assert passk("validate", f"--ckpt_path={folder}").source == folder / "checkpoints" / "last.ckpt"
    best = shutil.copy(folder / "checkpoints" / "last.ckpt", folder / "checkpoints" / "best.ckpt")
    assert passk("validate", "--ckpt_path=best").source == best
    assert f"the weights of {folder / 'checkpoints' / 'last.ckpt'}, iteration 4" in caplog.messages


def test_a_run_is_not_written_over(passk: CommandLine, begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = again(passk, begun)
    named = folder.rename(folder.with_name("exp1"))
    before = {path: path.read_bytes() for path in named.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit):
        passk.fit(STAGES, "--trainer.logger.version=exp1")
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"passk: error: {named} holds a run: go on with it by --auto_resume true")
    (passk.folder / "config.yaml").write_text("# mine")
    with pytest.raises(SystemExit):
        passk.fit(STAGES, f"--trainer.logger.name={passk.folder}", "--trainer.logger.version=.")
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"passk: error: {passk.folder} holds other files")
    places = [
        Path(passk(command, "--trainer.logger.version=exp1", "--ckpt_path=last").trainer.log_dir).name
        for command in ("validate", "validate", "predict")
    ]
    assert places == ["exp1-validate-0", "exp1-validate-1", "exp1-predict-0"]
    assert {path: path.read_bytes() for path in named.rglob("*") if path.is_file()} == before


def test_a_run_that_was_moved_keeps_its_best_checkpoint(passk: CommandLine, begun: Path) -> None:
    """Nothing is solved, before and after: what comes later is no better."""
    best = again(passk, begun) / "checkpoints" / "best.ckpt"
    assert torch.load(best, weights_only=True)["iteration"] == 2
    passk.fit([*STAGES, demonstrated("more")], "--ckpt_path=last")
    assert torch.load(best, weights_only=True)["iteration"] == 2


@pytest.mark.slow
def test_the_picture_of_a_run_killed_after_its_first_checkpoint_is_drawn(passk: CommandLine) -> None:
    killed = "--trainer.callbacks+=tests.callbacks.extras.KilledAtStart"
    process, log = launched(passk, "fit", killed, CURVES, schedule={"stages": STAGES})
    assert ended(process) == [-signal.SIGKILL], log.read_text()
    cli = passk.fit(STAGES, CURVES, "--auto_resume=true")
    assert cli.source is not None
    assert [step for step, _ in logged(Path(cli.trainer.log_dir))["stage/advantages"]] == [0]


def test_a_full_disk_names_the_file(passk: CommandLine) -> None:
    """That of TensorBoard, which a thread writes: its limit is set once the first checkpoint stands."""
    full = "--trainer.callbacks+=tests.callbacks.extras.FullDisk"
    process, log = launched(passk, "fit", full, *PICTURES, schedule={"stages": STAGES})
    assert ended(process) == [2]
    said = log.read_text()
    assert "Traceback" not in said
    (events,) = (passk.folder / "runs" / "maze" / "version_0").glob("events.*")
    assert said.splitlines()[-1] == f"passk: error: File too large: {events}"


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
