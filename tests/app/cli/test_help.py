"""A command's help begins with what is passk's own; the rest is in `--help_all`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

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
        "usage", "options", "checkpoint", "schedule", "model", "data", "rollout", "draw", "replay", "evaluation",
        "chat", "checkpoints", "entropy_switch",
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
def test_a_shell_can_complete_arguments(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Those of classes too, in a script that a shell loads at once; one of all depths has 82 MB."""
    pytest.importorskip("shtab")
    script = said(capsys, f"--print_completion=shtab-{shell}")
    assert "--rollout.engine" in script and "--model.policy.path" in script
    assert len(script) < 2e6
    if shell == "bash":
        (tmp_path / "passk").write_text(script)
        asked = [("--model.policy.pat", "--model.policy.path"), ("--model.loss ''", "app.losses.Clipped")]
        for words, found in asked:
            number = 1 + len(words.split())
            line = f"COMP_WORDS=(passk fit {words}); COMP_CWORD={number}; _shtab_passk; echo ${{COMPREPLY[@]}}"
            done = subprocess.run(
                ["bash", "-c", f"source ./passk; {line}"], cwd=tmp_path, capture_output=True, text=True, timeout=60
            )
            assert found in done.stdout.split()
