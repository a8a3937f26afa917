"""Every command on every page: run, or read by the real parser, or named here with the reason why not.

Of a measurement (`python -m benchmarks.memory`), which takes minutes, it is asked whether its options are there.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from app.cli import front
from tests.conftest import ROOT
from tests.test_docs import PAGES, exists

ELSEWHERE = {
    "README.md: python3 -m venv .venv && . .venv/bin/activate && pip install -e . && passk fit": "tests/test_wheel.py",
    "README.md: python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[test]' && pytest -n auto": ".ci/run",
    "CONTRIBUTING.md: python3 -m venv .venv": ".ci/run",
    "vllm.md: python3 -m venv .venv-vllm": ".ci/vllm",
    "your_own_task.md: passk fit -c my_task.yaml": "tests/test_your_own_task.py",
    "CONTRIBUTING.md: passk fit -c my.yaml": "tests/test_contributing.py",
    "coming_from_trl.md: passk fit -c configs/real_model.yaml -c sums.yaml": "tests/test_coming_from_trl.py",
    "runs.md: passk --print_completion": "tests/app/cli/test_help.py",
    "runs.md: passk push": "tests/callbacks/saving/test_hub.py",
    "SECURITY.md: passk push": "tests/callbacks/saving/test_hub.py",
    "runs.md: passk diagnose": "tests/app/storage/test_diagnose.py",
    "runs.md: passk compare": "tests/callbacks/display/test_compare.py",
    "runs.md: passk predict -c RUN/config.yaml --data datamodules.prompts": "tests/test_cli.py",
    "runs.md: passk fit --auto_resume": "tests/test_resume.py",
}
"""Where a command is run as it stands, or in small."""

NOT_RUN = {
    "pre-commit install": "changes the clone that it is run in",
    "pip install": "needs the registry: .ci/run, .ci/vllm and .ci/site install",
    "pytest tests/test_gpu.py": "needs a GPU",
    "vllm serve": "needs a GPU",
    "torchrun": "needs several machines",
    "srun": "needs a cluster",
    "sbatch": "needs a cluster",
    "python -m benchmarks.trl_step": "needs TRL, in an environment of its own",
    "tensorboard": "serves until it is ended",
    "wandb": "needs an account",
    "CUDA_VISIBLE_DEVICES=": "needs several GPUs; its configurations are read by tests/test_configs.py",
    "VLLM_SERVER_DEV_MODE=": "needs a GPU",
    "python docs/draw_advantages.py": "writes into the clone; tests/test_docs.py draws the same pictures",
}
"""Why a command that begins so is not run."""


def commands_of(page: Path) -> list[str]:
    """The lines of shell on a page, indented, fenced as bash or within a sentence; continued lines joined."""
    text = page.read_text()
    fenced = re.findall(r"^```(?:bash|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE).replace("\\\n", " ")
    indented = re.findall(r"^    (\S.*)$", rest, re.MULTILINE)
    inline = [" ".join(found.split()) for found in re.findall(r"`((?:passk|python|pip) [^`]+|\.ci/\w+)`", rest)]
    block = "\n".join(each for each in fenced if not each.startswith(("python -c '", "#!"))).replace("\\\n", " ")
    starts = re.compile(r"(passk|pip|python3?|pytest|vllm|torchrun|srun|tensorboard|wandb|\.ci/|[A-Z_]+=\S+ )\b")
    return [line for line in [*block.splitlines(), *indented, *inline] if starts.match(line)]


COMMANDS = [(page.name, command) for page in PAGES for command in commands_of(page) if not command.startswith("passk:")]


def elsewhere(page: str, command: str) -> str | None:
    return next((test for start, test in ELSEWHERE.items() if f"{page}: {command}".startswith(start)), None)


def test_where_a_command_is_run_is_there() -> None:
    assert len(COMMANDS) > 60
    assert [test for test in ELSEWHERE.values() if not (ROOT / test).exists()] == []


PLACEHOLDER = re.compile(r"\.\.\.|\b(FILE|FOLDER|RUN|REPOSITORY|DIR|PATH)\b|<|\*\*\*")
COMMANDS_OF_RUNS = ("fit", "validate", "test", "predict")


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[f"{page} {command[:50]}" for page, command in COMMANDS])
def test_a_command_is_covered(
    page: str, command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if elsewhere(page, command) or any(command.startswith(start) for start in NOT_RUN):
        for extra in re.findall(r"'\.\[(\w[\w-]*)\]'", command):
            assert (
                extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
                or extra == "extra"
            )
        return
    for part in command.split(" && "):
        check(part, capsys, tmp_path, monkeypatch)


def check(command: str, capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what is quick, read what trains, look at what is neither."""
    program, *arguments = shlex.split(command)
    if program.startswith(".ci/"):
        assert os.access(ROOT / program, os.X_OK)
    elif program.startswith("python"):
        assert arguments[0] == "-m", f"{command}: run it in a test, or say why not"
        assert arguments[1] == "app" or exists(arguments[1]), command
        place = ROOT / arguments[1].replace(".", "/")
        told = (place / "__main__.py" if place.is_dir() else place.with_suffix(".py")).read_text()
        options = [each for each in arguments[2:] if each.startswith("--")]
        assert [each for each in options if f'"{each}"' not in told and f"{each[2:]}:" not in told] == []
    else:
        assert program == "passk", f"{command}: run it in a test, or say why not"
        run(arguments, capsys, folder, monkeypatch)


def run(
    arguments: list[str], capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers at once is run; a run's arguments are read, with empty files where the page tells of some."""
    if arguments[0] not in COMMANDS_OF_RUNS:
        assert arguments[0] in (*front.COMMANDS, "--help", "--version"), arguments
        if not PLACEHOLDER.search(" ".join(arguments)):
            assert front.answered(arguments) == 0
        return
    if PLACEHOLDER.search(" ".join(arguments)) or "|" in arguments:
        return  # a form, not a command
    from app.cli.command import PassKCLI, main
    from tests.test_configs import build_once

    monkeypatch.chdir(folder)
    for name in arguments:
        if name.endswith(".yaml") and not (ROOT / name).exists():
            (folder / name).write_text("{}\n")
    monkeypatch.setattr(PassKCLI, "setup_parser", build_once)
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *(() if {"--help", "--help_all"} & {*arguments} else ("--print_config",))])
    assert ended.value.code == 0, capsys.readouterr().err
