"""A user's mistake is one line that names it and exit status 2, before anything is sampled.

Of what classes refuse when they are built there is one case here for each place that a class has in a configuration;
tests/test_bad_arguments.py has the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.rollouts.worker import RolloutWorker
from tests.conftest import CommandLine, demonstrated, stage

# -- ways to write an overlay -----------------------------------------------------------------------


def stages(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"schedule": {"stages": list(parts)}}


def of_class(class_path: str, **init_args: Any) -> dict[str, Any]:
    return {"class_path": class_path, "init_args": init_args}


def pass_k(k: int, **changes: Any) -> dict[str, Any]:
    return stage("explore", of_class("app.advantages.PassK", k=k), **changes)


def data(**init_args: Any) -> dict[str, Any]:
    return {"data": of_class("datamodules.maze.MazeDataModule", **init_args)}


def sharded() -> dict[str, Any]:
    """Weights in shards, of which this one process has the only one."""
    sizes = {"data_parallel_size": 1, "tensor_parallel_size": 1}
    return {"trainer": {"strategy": of_class("lightning.pytorch.strategies.ModelParallelStrategy", **sizes)}}


def published(file: str) -> dict[str, Any]:
    paths = {f"{split}_path": file for split in ("train", "validation")}
    return {"data": of_class("datamodules.published_maze.PublishedMazeDataModule", **paths)}


def until(name: str, **init_args: Any) -> dict[str, Any]:
    return stages(stage("only", until=of_class(f"callbacks.triggers.{name}", **init_args)))


def typing_errors(rate: float, letters: str) -> dict[str, Any]:
    engine = of_class("app.engines.demonstrations.DemonstrationEngine", typo_rate=rate, typo_letters=letters)
    return stages(demonstrated(engine=engine))


def model(**changes: Any) -> dict[str, Any]:
    return {"model": changes}


def clipped(**init_args: Any) -> dict[str, Any]:
    return of_class("app.losses.Clipped", **init_args)


def policy(**init_args: Any) -> dict[str, Any]:
    return model(policy=of_class("app.policy.TinyPolicy", **init_args))


def rate(kind: str, **init_args: Any) -> dict[str, Any]:
    return model(learning_rate=of_class(f"app.learning_rate.{kind}", **init_args))


def sampling(**changes: Any) -> dict[str, Any]:
    return {"rollout": {"sampling": changes}}


def pretrained(path: str) -> list[str]:
    return ["--model.policy", "app.policy.PretrainedPolicy", "--model.policy.path", path]


# -- the mistakes, and what is said to each; "…" stands for a library's own words -------------------

NO_ANSWERS = "stage 'exploit': temperature=0 must be above 0: N equal answers have zero advantages"
ONE_ROLLOUT = "stage 'exploit': PassOne compares rollouts: N=1 must be at least 2"
EMPTY = "the {} split is empty: it must hold at least one problem"
IN_STAGE = "stage 'exploit': "
NO_HALT = "stop token '<halt>' is not in the policy's vocabulary"
INSTRUCTIVE = of_class("datamodules.maze.InstructivePrompt")

CONFIGURATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "k above N": (stages(pass_k(5)), "stage 'explore': k=5 must lie between 1 and the 4 rollouts per problem"),
    "k above a stage's N": (
        stages(demonstrated(), pass_k(4, rollouts=3)),
        "stage 'explore': k=4 must lie between 1 and the 3 rollouts per problem",
    ),
    "k of 0": (stages(pass_k(0)), "k=0 must be at least 1"),
    "N of 1": ({"rollout": {"rollouts": 1}}, ONE_ROLLOUT),
    "N of 0": ({"rollout": {"rollouts": 0}}, "rollouts=0 must be at least 1"),
    "N of 0 in a stage": (stages(stage("exploit", rollouts=0)), "stage 'exploit': rollouts=0 must be at least 1"),
    "k above n": ({"evaluation": {"ks": [1, 8]}}, "k=8 must lie between 1 and the n=4 answers to each problem"),
    "even size": (data(train={8: 64}), "size=8 must be odd and at least 5"),
    "a stage's batch above train": (
        stages(demonstrated(), stage("exploit", problems=65)),
        "stage 'exploit': problems=65 must be at most the 64 problems of the train split",
    ),
    "unknown key": (model(clip_hihg=0.3), "Subcommand 'fit' does not accept option 'model.clip_hihg'"),
    "unknown key at the top": ({"sampler": 1}, "Subcommand 'fit' does not accept option 'sampler'"),
    "unknown key of a class": (
        data(sizes=7),
        "data: Option 'sizes' is not accepted by datamodules.maze.MazeDataModule, which has train, validation, …",
    ),
    "unknown key of a stage": (
        stages({**stage("exploit"), "steps": 5}),
        "schedule.stages: Option 'steps' is not accepted by callbacks.schedule.stages.Stage, which has name, …",
    ),
    "unknown class": (
        model(policy=of_class("app.policy.HugePolicy")),
        "model.policy: module 'app.policy' has no attribute 'HugePolicy': did you mean Policy?",
    ),
    "unknown module": (model(policy=of_class("no.such.Policy")), "model.policy: No module named 'no'"),
    "unknown objective of a stage": (
        stages(stage("exploit", "app.advantages.PassTwo")),
        "schedule.stages.advantage: module 'app.advantages' has no attribute 'PassTwo': did you mean PassK?",
    ),
    "another class": (
        model(policy=of_class("app.advantages.PassOne")),
        "model.policy: Import path app.advantages.PassOne does not correspond to a subclass of Policy",
    ),
    "wrong type": (model(max_grad_norm="low"), "model.max_grad_norm: must be a number, not low"),
    "wrong type in a stage": (
        stages(stage("exploit", rollouts="many")),
        "schedule.stages.rollouts: must be an integer, not many",
    ),
    "null for a number": (data(batch_size=None), "data.batch_size: must be an integer, not null"),
    "wrong type of a count": (data(train={7: "many"}), "data.train: must be an integer, not many"),
    "no steps": (until("Steps", steps=0), "steps=0 must be at least 1"),
    "learning rate of 0": (rate("Constant", peak=0.0), "peak=0.0 must be above 0"),
    "clip_low above 1": (model(loss=clipped(clip_low=1.5)), "clip_low=1.5 must lie in [0, 1]"),
    "no time to score": (
        {"rollout": {"scorer": of_class("app.scoring.SubprocessScorer", timeout_s=0.0)}},
        "timeout_s=0.0 must be above 0 and finite",
    ),
    "a system prompt and plain text": (
        {"chat": {"system_prompt": "Be brief."}},
        "problem 1 of train: the prompt is plain text, which has no place for chat.system_prompt or chat.few_shot: …",
    ),
    "an empty system prompt": ({"chat": {"system_prompt": ""}}, "chat.system_prompt is empty: null is for none"),
    "penalty in shards": (
        {**sharded(), **model(kl=of_class("app.losses.K3", coefficient=0.1))},
        "kl must be null with sharded weights: the reference needs whole ones",
    ),
    "no minibatch": (model(minibatch_size=0), "minibatch_size=0 must be at least 1"),
    "temperature 0 in a stage": (stages(demonstrated(), stage("exploit", sampling={"temperature": 0.0})), NO_ANSWERS),
    "temperature below 0": (sampling(temperature=-1.0), "temperature=-1.0 must be at least 0"),
    "a cut distribution": (
        sampling(top_p=0.9),
        IN_STAGE + "top_p=0.9 and top_k=0 must be 1 and 0 in training: log-probabilities and importance ratios are …",
    ),
    "unknown stop token in a stage": (
        stages(demonstrated(), stage("exploit", sampling={"stop_tokens": ["<halt>"]})),
        IN_STAGE + NO_HALT,
    ),
    "unknown stop token in evaluation": ({"evaluation": {"sampling": {"stop_tokens": ["<halt>"]}}}, NO_HALT),
    "prompt beyond the context": (
        policy(context_length=48),
        "problem 1 of train: a prompt of 31 tokens and max_new_tokens=24 exceed the policy's context of 48 (and 63 …",
    ),
    "prompt beyond the context in evaluation": (
        {"evaluation": {"sampling": {"max_new_tokens": 1020}}},
        "problem 1 of validation: a prompt of 31 tokens and max_new_tokens=1020 exceed the policy's context of 1024 …",
    ),
    "letters beyond the alphabet": (
        {**policy(alphabet="SE.*\n>UDLR"), **data(style=INSTRUCTIVE)},
        "problem 1 of train: the policy's alphabet lacks ' (),/:;<ABFOTYabcdefghiklmnopqrstuvwyz', which stand in …",
    ),
    "heads": (policy(num_heads=3), "hidden_size=16 must be a multiple of 2 x num_heads=3"),
    "no data file": (published("{folder}/none.jsonl"), "{folder}/none.jsonl is not a file"),
    "data that are no JSON": (published("{folder}/prose.jsonl"), "{folder}/prose.jsonl, row 1: not JSON …"),
    "data without a maze": (
        published("{folder}/mazeless.jsonl"),
        "{folder}/mazeless.jsonl, row 1: no maze under any of reward_model, ground_truth, …",
    ),
    "data that are no parquet": (published("{folder}/prose.parquet"), "{folder}/prose.parquet can't be read: …"),
    "cache in a file": (
        data(cache_dir="{folder}/file"),
        "cache_dir={folder}/file can't be written: File exists; set another cache_dir",
    ),
    "typo rate": (typing_errors(2.0, "U"), "typo_rate=2.0 must lie in [0, 1]"),
    "no line in the script": (
        {"rollout": {"engine": of_class("app.engines.scripted.ScriptedEngine", script=[])}},
        "script must hold at least one line",
    ),
}

COMMANDS: dict[str, tuple[list[str], str]] = {
    "unknown option": (["fit", "--model.clip_hihg", "0.3"], "unrecognized arguments: --model.clip_hihg 0.3"),
    "abbreviated option": (["fit", "--model.clip_hi", "0.3"], "unrecognized arguments: --model.clip_hi 0.3"),
    "wrong type": (
        ["fit", "--model.max_grad_norm", "low"],
        "model.max_grad_norm: must be a number, not low",
    ),
    "no configuration": (["fit", "-c", "{folder}/none.yaml"], "config: File does not exist: '{folder}/none.yaml'"),
    "malformed YAML": (["fit", "-c", "{folder}/malformed.yaml"], "Problems parsing config: …"),
    "YAML that is no mapping": (["fit", "-c", "{folder}/list.yaml"], "Unexpected config: - model"),
    "no checkpoint": (
        ["fit", "--ckpt_path", "{folder}/none.ckpt"],
        "there is no checkpoint {folder}/none.ckpt",
    ),
    "no checkpoint to validate": (
        ["validate", "--ckpt_path", "{folder}/none.ckpt"],
        "there is no checkpoint {folder}/none.ckpt",
    ),
    "a checkpoint that is none": (
        ["validate", "--ckpt_path", "{folder}/prose.ckpt"],
        "{folder}/prose.ckpt is cut short or is not a checkpoint",
    ),
    "no last checkpoint": (
        ["fit", "--ckpt_path", "last"],
        "ckpt_path=last: no run with a last.ckpt in {folder}/runs/maze",
    ),
    "no best checkpoint": (
        ["validate", "--ckpt_path", "best"],
        "ckpt_path=best: no run with a best.ckpt in {folder}/runs/maze",
    ),
    "a strategy that shards otherwise": (
        ["fit", "--trainer.strategy=fsdp", "--trainer.devices=2"],
        "trainer.strategy=fsdp must be one of auto or ddp, or the ModelParallelStrategy of configs/fsdp.yaml",
    ),
    "a clipped gradient": (
        ["fit", "--trainer.gradient_clip_val=1.0"],
        "trainer.gradient_clip_val=1.0 can't be had: model.max_grad_norm clips the gradient",
    ),
    "a type of weights": (
        ["validate", "--trainer.precision=bf16-true"],
        "trainer.precision=bf16-true must be 32-true, bf16-mixed or 16-mixed: what type weights are loaded in is "
        "model.policy's dtype",
    ),
    "nothing to validate on": (
        ["validate", "--trainer.limit_val_batches=0"],
        "trainer.limit_val_batches=0 leaves nothing to validate",
    ),
    "averaged weights": (
        ["fit", "--trainer.callbacks+=lightning.pytorch.callbacks.EMAWeightAveraging"],
        "trainer.callbacks: EMAWeightAveraging can't be had: it keeps copies of …",
    ),
    "overfitting to other problems": (
        ["fit", "--trainer.overfit_batches=1", "--rollout.max_resampling_rounds=2"],
        "max_resampling_rounds=2 must be 1 with overfit_batches, which keeps its problems",
    ),
    "no seed": (
        ["fit", "--seed_everything=false"],
        "seed_everything=false: a run draws its rollouts from a seed: give a number",
    ),
    "two checkpoints": (
        ["fit", "--ckpt_path", "{folder}/prose.ckpt", "--auto_resume=true"],
        "auto_resume=true finds its own checkpoint: leave out ckpt_path={folder}/prose.ckpt",
    ),
    "no iterations between checkpoints": (["fit", "--checkpoints.every=0"], "every=0 must be at least 1"),
    "no policy": (
        ["fit", *pretrained("{folder}/none")],
        "no policy could be loaded from '{folder}/none': …",
    ),
    "a policy that is none": (["fit", *pretrained("{folder}")], "no policy could be loaded from '{folder}': …"),
    "run folder in a file": (
        ["fit", "--trainer.logger.save_dir", "{folder}/file"],
        "Not a directory: {folder}/file/maze",
    ),
    "lines of the dashboard": (
        [
            "fit",
            "--trainer.callbacks+=callbacks.display.dashboard.Dashboard",
            "--trainer.callbacks.every=0",
        ],
        "every=0 must be at least 1",
    ),
    "predictions in a file": (
        [
            "predict",
            "--trainer.callbacks+=callbacks.evaluation.predictions.PredictionWriter",
            "--trainer.callbacks.path={folder}/file/lines",
        ],
        "File exists: {folder}/file",
    ),
    "run folder on a device": (["fit", "--trainer.logger.save_dir", "/dev/full"], "Not a directory: /dev/full/maze"),
    "empty test": (["test", "--data.test={{}}"], "the test split is empty: there is nothing to evaluate"),
    "empty test to predict": (["predict", "--data.test={{}}"], "the test split is empty: there is nothing to evaluate"),
}


@pytest.fixture(autouse=True)
def nothing_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test that samples."""

    def sample(*args: Any, **named: Any) -> None:
        raise AssertionError("something was sampled")

    monkeypatch.setattr(RolloutWorker, "sample", sample)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files that are not what they should be."""
    texts = {
        "file": "",
        "prose.jsonl": "once upon a time\n",
        "prose.parquet": "once upon a time\n",
        "prose.ckpt": "once upon a time\n",
        "mazeless.jsonl": json.dumps({"prompt": "Which way?", "reward_model": {"ground_truth": "UD"}}),
        "malformed.yaml": "model: [",
        "list.yaml": "- model",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def placed(value: Any, folder: Path) -> Any:
    """An overlay with the folder's name put in."""
    if isinstance(value, dict):
        return {key: placed(own, folder) for key, own in value.items()}
    if isinstance(value, list):
        return [placed(own, folder) for own in value]
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


def check_refusal(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and on stderr, after what was logged of problems and stages, this message alone."""
    from app.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    *_, said = lines = capsys.readouterr().err.splitlines()
    usual = ("problems: ", "stage ", "no effect, since every stage has its own: ")
    assert [line for line in lines[:-1] if not line.startswith(usual)] == []
    exact, is_open, _ = message.partition("…")
    assert said.startswith(f"passk: error: {exact}") if is_open else said == f"passk: error: {exact}"


@pytest.mark.parametrize(("overlay", "message"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_mistake_in_a_configuration_is_one_line(
    overlay: dict[str, Any], message: str, passk: CommandLine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = passk.options(**placed({**stages(stage("exploit")), **overlay}, folder))
    check_refusal(["fit", *arguments], message.replace("{folder}", str(folder)), capsys)


@pytest.mark.parametrize(("arguments", "message"), COMMANDS.values(), ids=COMMANDS)
def test_a_mistake_on_the_command_line_is_one_line(
    arguments: list[str], message: str, passk: CommandLine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *options = [argument.format(folder=folder) for argument in arguments]
    options = passk.options(*options, **stages(stage("exploit")))
    check_refusal([command, *options], message.replace("{folder}", str(folder)), capsys)


COMMAND_NAMES = "{fit,validate,test,predict}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "no command 'train': there are fit, validate, test, predict, diagnose, compare, push, list"),
        (["--config={}"], f'expected "subcommand" to be one of {COMMAND_NAMES}, but it was not provided.'),
    ],
)
def test_a_command_that_is_none_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_refusal(arguments, message, capsys)
