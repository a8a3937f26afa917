"""A command's help begins with what is passk's own; the rest is in `--help_all`."""

from __future__ import annotations

import re

import pytest

from app.cli import main
from app.cli.command import SUBCOMMANDS


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_help_is_of_passks_own_arguments(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, command, "--help")
    assert text.startswith(f"usage: passk {command} [-c FILE.yaml ...]")
    sections = re.findall(r"^(\w+):", text, re.MULTILINE)
    assert sections == [
        "usage", "options", "checkpoint", "schedule", "model", "data", "rollout", "draw", "evaluation", "chat",
        "checkpoints", "entropy_switch",
    ]  # fmt: skip
    assert len(text.splitlines()) < 250
    assert not re.search(r"--trainer|^  --\w+\.\w+\.help|app\.\w+\.[A-Z]", text, re.MULTILINE)


def test_the_rest_is_a_flag_away(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "fit", "--help_all")
    assert "--trainer.precision PRECISION" in text
    assert "--model.loss.help" in text
    assert text.index("--rollout.engine ") < text.index("--trainer.precision")


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_can_complete_arguments(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    script = said(capsys, f"--print_completion=shtab-{shell}")
    assert "--rollout.engine" in script
    assert "passk" in script
