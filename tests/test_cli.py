"""The command line from end to end: what a run leaves, that it repeats, resumes and spreads over two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from app.cli.command import LOST
from app.cli.errors import one_line
from app.cli.front import main
from app.types import Problem
from callbacks.rollout import RolloutCallback
from datamodules.maze.lattice_maze import MazeProblem
from tests.conftest import (
    MINIATURE,
    PICTURES,
    ROOT,
    CommandLine,
    Run,
    build_tiny_policy,
    callback,
    constant,
    demonstrated,
    environment,
    gap,
    stage,
    steps,
)
from tests.forked import ended, launched

LEARNING = [
    demonstrated(),
    stage("explore", "app.advantages.Imitate", learning_rate=constant(1e-2), reset_optimizer=True),
]
"""A cold start, then two iterations in which the policy imitates its own samples, so that every update counts."""
NO_VALIDATION = "--trainer.limit_val_batches=0"


def exported(cli: Any, name: str = "2-explore") -> Path:
    return Path(cli.trainer.log_dir) / "stages" / name


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Any:
    """A finished run of LEARNING, which several tests compare with another."""
    return CommandLine(tmp_path_factory.mktemp("learnt"), cache).fit(LEARNING)


# -- scorers of users in the process of the run ------------------------------------------------------


def test_what_a_scorer_changes_for_the_process_changes_nothing_of_the_run(
    passk: CommandLine, learnt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of the run is relative to the working folder."""
    score = MazeProblem.score

    def changing(problem: MazeProblem, response: str) -> float:
        os.chdir(ROOT)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        return score(problem, response)

    monkeypatch.setattr(MazeProblem, "score", changing)
    monkeypatch.chdir(passk.folder)
    cli = passk.fit(LEARNING, "--trainer.logger.save_dir=runs")
    assert cli.trainer.log_dir == "runs/maze/version_0"
    assert gap(exported(cli), exported(learnt)) == 0


def test_a_removed_working_folder_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SystemExit) as stopped:
        main(["fit"])
    assert stopped.value.code == 2
    said = "passk: error: the working folder has been removed: run the command in another one\n"
    assert capsys.readouterr().err == said


# -- what a run leaves behind -----------------------------------------------------------------------


def test_results_have_a_line_for_every_validation(finished: Run) -> None:
    names = {
        "pass@1",
        "pass@2",
        "pass@4",
        "maj@2",
        "maj@4",
        "greedy",
        "length",
        "truncated",
        "entropy",
        "distinct_wrong",
        "answer_entropy",
    }
    figures = {f"eval/{name}" for name in (*names, "unscored")}  # of one set, which has no others of its own
    for row in finished.results:
        assert row.keys() == {"iteration", "stage"} | figures
        assert all(isinstance(row[name], float) for name in figures)


def test_the_run_folder_holds_its_configuration_and_last_checkpoint(finished: Run) -> None:
    assert (finished.folder / "config.yaml").is_file()
    saved = torch.load(finished.folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["iteration"] == 6


def test_without_a_modelcheckpoint_lightning_adds_none(passk: CommandLine) -> None:
    """A list of callbacks of one's own leaves it out, and a pretrained policy's checkpoint has gigabytes."""
    cli = passk.fit(LEARNING, "--trainer.callbacks", "[callbacks.display.dashboard.Dashboard]")
    assert [each.name for each in (Path(cli.trainer.log_dir) / "checkpoints").iterdir()] == ["last.ckpt"]


# -- the same run again -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(passk: CommandLine, learnt: Any) -> None:
    same, other = (exported(passk.fit(LEARNING, f"--seed_everything={seed}")) for seed in (0, 1))
    assert gap(exported(learnt), same) == 0
    assert gap(exported(learnt), other) > 1e-3


@pytest.mark.slow
def test_another_process_gives_the_same_weights(passk: CommandLine, learnt: Any) -> None:
    command = [sys.executable, "-m", "app", "fit", *passk.options(schedule={"stages": LEARNING})]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert gap(exported(learnt), passk.folder / "runs" / "maze" / "version_0" / "stages" / "2-explore") == 0


@pytest.mark.parametrize(
    ("reset", "validation"),
    [
        (False, NO_VALIDATION),
        pytest.param(True, "--trainer.val_check_interval=2", marks=pytest.mark.slow),
        pytest.param(True, NO_VALIDATION, marks=pytest.mark.slow),
        pytest.param(False, "--trainer.val_check_interval=2", marks=pytest.mark.slow),
    ],
)
def test_a_run_resumed_after_a_stage_ends_as_the_whole_one(passk: CommandLine, validation: str, reset: bool) -> None:
    stages = [LEARNING[0], {**LEARNING[1], "reset_optimizer": reset}]
    whole = passk.fit(stages, validation)
    resumed = passk.fit(stages, validation, "--ckpt_path", str(exported(whole, "1-cold-start") / "stage.ckpt"))
    assert resumed.model.iteration == 4
    assert gap(exported(whole), exported(resumed)) == 0


EARLY = ["--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping"]
EARLY += [f"--trainer.callbacks.{argument}" for argument in ("monitor=eval/pass@1", "patience=1", "mode=max")]

EVERY_ITERATION_SAVED = (
    "--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
    "--trainer.callbacks.every_n_train_steps=2",  # an iteration makes two optimizer steps
    "--trainer.callbacks.save_top_k=-1",
    "--trainer.callbacks.filename=at-{step}",  # the logged one, which counts iterations
    "--trainer.callbacks.auto_insert_metric_name=false",
)


@pytest.mark.slow
@pytest.mark.parametrize("validation", ["--trainer.val_check_interval=3", NO_VALIDATION])
def test_a_run_resumed_after_any_iteration_ends_as_the_whole_one(passk: CommandLine, validation: str) -> None:
    """The second is the last of its stage: saved before the validation that the transition waits for."""
    whole = passk.fit(LEARNING, validation, *EVERY_ITERATION_SAVED)
    for iteration in (1, 2, 3):
        path = Path(whole.trainer.log_dir) / "checkpoints" / f"at-{iteration}.ckpt"
        resumed = passk.fit(LEARNING, validation, "--ckpt_path", str(path))
        assert resumed.model.iteration == 4
        assert gap(exported(whole), exported(resumed)) == 0


@pytest.mark.slow
def test_the_last_checkpoint_resumes(passk: CommandLine) -> None:
    """Stopped by max_steps in its second stage, after a validation; it goes on in its own folder."""
    stages = [LEARNING[0], {**LEARNING[1], "until": steps(4)}]
    whole = passk.fit(stages)
    part = passk.fit(stages, "--trainer.max_steps=8")
    assert part.model.iteration == 4
    last = Path(part.trainer.log_dir) / "checkpoints" / "last.ckpt"
    resumed = passk.fit(stages, "--ckpt_path", str(last))
    assert gap(exported(whole), exported(resumed)) == 0
    assert resumed.trainer.log_dir == part.trainer.log_dir
    read = [(Path(cli.trainer.log_dir) / "results.jsonl").read_text() for cli in (whole, resumed)]
    assert read[0] == read[1]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--trainer.max_steps=4"], "trainer.max_steps=4 is reached, which counts updates"),
        (["--trainer.max_epochs=1", "--data.batch_size=32"], "trainer.max_epochs=1 is reached"),
        (["--trainer.max_time=00:00:00:00"], "trainer.max_time is over"),
        (EARLY, "Monitored metric eval/pass@1 did not improve in the last 1 records. Best score: 0.000. Signaling …"),
    ],
    ids=["max_steps", "max_epochs", "max_time", "early stopping"],
)
def test_a_run_that_ends_before_its_schedule_says_why_and_how_to_go_on(
    passk: CommandLine, options: list[str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    cli = passk.fit([demonstrated(until=steps(9))], "--trainer.val_check_interval=1", *options)
    (said,) = [line for line in caplog.messages if line.startswith("ended before the schedule")]
    assert said.startswith(f"ended before the schedule after iteration {cli.model.iteration} ({why.rstrip('…')}")
    last = Path(cli.trainer.log_dir) / "checkpoints" / "last.ckpt"
    assert last.exists() == (cli.model.iteration > 0) == said.endswith(f"; to go on: --ckpt_path {last}")


def test_without_a_progress_bar_no_iteration_has_a_line(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    passk.fit([demonstrated()], "--trainer.enable_progress_bar=false", NO_VALIDATION)
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if line.startswith("[")] == []
    assert out[-1].endswith("version_0, without a validation")


def test_validations_by_the_clock_leave_the_schedule_its_length(passk: CommandLine) -> None:
    assert passk.fit([demonstrated()], "--trainer.val_check_interval=00:01:00:00").model.iteration == 2


def test_what_no_stage_uses_is_said(passk: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    passk.fit([stage("explore", until=steps(1))], "--model.advantage.k=2", NO_VALIDATION)
    assert "no effect, since every stage has its own: model.advantage.k=2" in caplog.messages


@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_ctrl_c_outside_training_is_a_line_and_a_status(
    passk: CommandLine, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def setup(self: Any, trainer: Any, pl_module: Any, stage: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RolloutCallback, "setup", setup)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            passk(command)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"passk: {command} was ended by Ctrl-C: {LOST[command]}"


# -- the other commands -----------------------------------------------------------------------------


def figures(cli: Any) -> dict[str, float]:
    (line,) = (Path(cli.trainer.log_dir) / "results.jsonl").read_text().splitlines()
    return {name: value for name, value in json.loads(line).items() if name.startswith("eval/")}


def from_checkpoint(run: Run) -> list[str]:
    return ["--ckpt_path", str(run.stage("3-exploit") / "stage.ckpt")]


def from_folder(run: Run) -> list[str]:
    return ["--model.policy=app.policy.PretrainedPolicy", f"--model.policy.path={run.stage('3-exploit')}"]


@pytest.mark.parametrize("command", ["validate", pytest.param("test", marks=pytest.mark.slow)])
def test_a_checkpoint_and_an_exported_folder_give_the_same_figures(
    passk: CommandLine, finished: Run, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = (figures(passk(command, *source(finished))) for source in (from_checkpoint, from_folder))
    assert mine == theirs
    if command == "validate":
        assert mine == {name: finished.results[-1][name] for name in mine}
    else:
        assert {"eval/5x5/pass@4", "eval/7x7/pass@4"} < mine.keys()
    assert capsys.readouterr().out.count("P@4") >= 2


def test_predictions_hold_what_was_sampled_and_its_score(passk: CommandLine, finished: Run) -> None:
    lines = []
    for source in (from_checkpoint, from_folder):
        cli = passk("predict", *source(finished))
        lines.append((Path(cli.trainer.log_dir) / "predictions.jsonl").read_text().splitlines())
    assert lines[0] == lines[1]
    problems: dict[str, Problem] = {problem.key: problem for problem in cli.datamodule.splits["test"]}
    rows = [json.loads(line) for line in lines[0]]
    assert len(rows) == 8 * 4
    assert {row["set"] for row in rows} == {"5x5", "7x7"}
    for index, row in enumerate(rows):
        names = ["set", "key", "prompt", "reference", "rollout", "response", "answer", "score", "finish", "tokens"]
        assert list(row) == names
        assert (row["prompt"], row["reference"]) == (problems[row["key"]].prompt, problems[row["key"]].solution)
        assert row["rollout"] == index % 4
        assert row["answer"] == (
            problems[row["key"]].extract_answer(row["response"]) if row["finish"] == "stop" else None
        )
        assert row["score"] == (problems[row["key"]].score(row["response"]) if row["finish"] == "stop" else 0)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_predictions_of_another_split(passk: CommandLine, split: str) -> None:
    cli = passk("predict", f"--rollout.predict_split={split}", "--data.train={7: 12}", "--rollout.rollouts=1")
    lines = (Path(cli.trainer.log_dir) / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [problem.key for problem in cli.datamodule.splits[split]]
    assert cli.trainer.predict_loop.predictions == []  # none is kept in memory besides


def test_predictions_of_prompts_without_answers(passk: CommandLine, tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Up?"}]
    rows = [{"prompt": "up"}, {"prompt": "down", "answer": 7}, {"prompt": "up"}, {"prompt": chat, "answer": None}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chats = tmp_path / "policy"
    policy = build_tiny_policy()
    policy.tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    policy.save(chats)
    options = ["--model.policy=app.policy.PretrainedPolicy", f"--model.policy.path={chats}", "--rollout.rollouts=2"]
    options += ["--data=datamodules.prompts.PromptsDataModule", f"--data.prompts={tmp_path / 'rows.jsonl'}"]
    cli = main(["predict", f"--config={MINIATURE}", *options, f"--trainer.logger.save_dir={tmp_path / 'runs'}"])
    assert Path(cli.trainer.log_dir) == tmp_path / "runs/prompts/version_0"
    found = [json.loads(line) for line in (Path(cli.trainer.log_dir) / "predictions.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in found[::2]] == [row["prompt"] for row in rows]
    assert [row["reference"] for row in found[::2]] == [None, "7", None, None]
    assert {row["score"] for row in found if row["finish"] == "stop"} <= {None}
    assert len(found) == 8


# -- two processes ----------------------------------------------------------------------------------


@pytest.mark.timeout(200)
def test_two_processes_train_and_measure_as_one(passk: CommandLine) -> None:
    smooth = "--model.optimizer.init_args.eps=1e-4"  # or Adam's first steps enlarge rounding of gradients near 0
    alone = passk.fit(LEARNING, smooth)
    two = ["--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.accelerator=cpu"]
    process, log = launched(passk, "fit", smooth, *two, *PICTURES, schedule={"stages": LEARNING})
    assert ended(process) == [0], log.read_text()
    assert log.read_text().count("stage 1 of 2") == 1  # what is told is told by the first
    folder = passk.folder / "runs" / "maze" / "version_1"
    mine, theirs = (
        [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
        for path in (Path(alone.trainer.log_dir), folder)
    )
    assert [row["iteration"] for row in mine] == [row["iteration"] for row in theirs] == [2, 4]
    assert mine[0] == {name: pytest.approx(value, abs=1e-6) for name, value in theirs[0].items() if name != "stage"} | {
        "stage": "cold start"
    }
    assert gap(exported(alone, "1-cold-start"), folder / "stages" / "1-cold-start") < 1e-5
    assert gap(exported(alone), folder / "stages" / "2-explore") < 1e-5


def test_the_configuration_of_a_run_draws_other_rollouts_with_another_seed(passk: CommandLine) -> None:
    """`config.yaml` keeps the null of `rollout.seed`."""
    first = passk.fit([stage("explore", until=steps(1))], NO_VALIDATION, "--seed_everything=3")
    config = Path(first.trainer.log_dir) / "config.yaml"
    other = main(["fit", f"--config={config}", "--seed_everything=5"])
    fixed = main(["fit", f"--config={config}", "--seed_everything=5", "--rollout.seed=7"])
    assert [each.model.worker.seed for each in (first, other, fixed)] == [3, 5, 7]


def test_the_config_of_a_resumed_run_begins_another_run(passk: CommandLine) -> None:
    """`config.yaml` has the run's values without the checkpoint that it went on from."""
    short = passk.fit([stage("only", until=steps(1))])
    longer = [stage("only", until=steps(2))]
    resumed = passk.fit(longer, f"--ckpt_path={Path(short.trainer.log_dir) / 'checkpoints' / 'last.ckpt'}")
    config = yaml.safe_load((Path(resumed.trainer.log_dir) / "config.yaml").read_text())
    assert (config["ckpt_path"], config["schedule"]["stages"][0]["until"]["init_args"]["steps"]) == (None, 2)


def test_a_checkpoint_of_weights_alone_is_evaluated(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    best = ["--trainer.callbacks+=callbacks.saving.checkpoints.BestCheckpoints"]
    arguments = {"monitor": "eval/pass@2", "mode": "max", "save_weights_only": "true", "filename": "light"}
    best += [f"--trainer.callbacks.{name}={value}" for name, value in arguments.items()]
    cli = passk.fit([demonstrated()], *best)
    path = Path(cli.trainer.log_dir) / "checkpoints" / "light.ckpt"
    found = figures(passk("validate", "--ckpt_path", str(path)))
    assert found == {name: callback(cli, "PassKEvaluation").history[-1][name] for name in found}
    with pytest.raises(SystemExit):
        passk.fit([demonstrated()], "--ckpt_path", str(path))
    assert "light.ckpt can't be restored (KeyError" in capsys.readouterr().err


# -- the rest ---------------------------------------------------------------------------------------


def test_the_defaults_are_found_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli import main

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["fit", "--print_config"])
    assert "explore" in capsys.readouterr().out


def test_a_mistake_keeps_its_traceback_where_it_is_asked_for(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSK_DEBUG", "1")
    with pytest.raises(ValueError, match="n=0 must be at least 1"):
        passk("fit", "--evaluation.n=0")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\n  two"), "one two"),
        (ValueError(), "ValueError"),
        (PermissionError(13, "Permission denied", "/runs"), "Permission denied: /runs"),
    ],
)
def test_an_error_on_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line


def test_every_command_is_listed_and_has_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    from app.cli import main
    from app.cli.command import SUBCOMMANDS

    for arguments in (["--help"], *([command, "--help"] for command in SUBCOMMANDS)):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
        said = capsys.readouterr().out
        wanted = SUBCOMMANDS if arguments == ["--help"] else ("--rollout.engine", "--data", "--ckpt_path")
        assert [word for word in wanted if f" {word}" not in said] == []


def test_one_file_may_hold_the_arguments_of_several_commands(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli import main

    path = passk.folder / "both.yaml"
    path.write_text("fit: {auto_resume: true}\nvalidate: {evaluation: {n: 7}}\n")
    for command, said in (("fit", "auto_resume: true"), ("validate", "n: 7")):
        with pytest.raises(SystemExit):
            main([f"--config={path}", command, "--print_config"])
        assert said in capsys.readouterr().out


def test_the_console_script_is_the_one_that_returns_nothing() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"passk": "app.cli:run"}


def test_a_class_that_seeds_torch_leaves_the_initial_weights_to_the_runs_seed(passk: CommandLine) -> None:
    weights = []
    for seed, advantage in ((1, "Seeding"), (2, "Seeding"), (1, "ByLength")):
        cli = passk("validate", f"--seed_everything={seed}", f"--model.advantage=tests.callbacks.extras.{advantage}")
        weights.append(cli.model.policy.model.get_input_embeddings().weight)
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
