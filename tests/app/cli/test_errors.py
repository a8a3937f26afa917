"""A mistake on the command line is one line, with the name that was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.cli import main

NO_PATH = "Expected a dot import path string"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rollout.rolouts=3"], "unrecognized arguments: --rollout.rolouts=3: did you mean --rollout.rollouts?"),
        (["--data=MazesDataModule"], f"data: {NO_PATH}: MazesDataModule: did you mean MazeDataModule?"),
        (
            ["--data.trian=3"],
            "data: Option 'trian' is not accepted by datamodules.maze.MazeDataModule: did you mean train?",
        ),
        (
            ["--model.advantage=app.advantages.PassKK"],
            "model.advantage: module 'app.advantages' has no attribute 'PassKK': did you mean PassK?",
        ),
        (["--schedule.explore.advantage=PasK"], f"schedule.stages.advantage: {NO_PATH}: PasK: did you mean PassK?"),
        (["--trainer.precision=bf17"], "trainer.precision=bf17 must be 32-true, bf16-mixed or 16-mixed"),
        (
            ["--model.policy.path=folder"],
            "model.policy: Option 'path' is not accepted by app.policy.TinyPolicy: give a class first that has it, "
            "PretrainedPolicy or VisionPolicy",
        ),
    ],
)
def test_a_mistake_names_what_was_meant(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"passk: error: {message}\n"


def test_so_does_one_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("rollout: {rolouts: 3}")
    with pytest.raises(SystemExit):
        main(["fit", f"--config={path}"])
    assert capsys.readouterr().err.endswith("option 'rollout.rolouts': did you mean --rollout.rollouts?\n")


def test_short_names_do_for_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("rollout: {engine: {class_path: ScriptedEngine, init_args: {script: [a]}}}")
    short = ["--data=ArithmeticDataModule", "--model.loss=CISPO", "--schedule.explore.advantage=RLOOK"]
    with pytest.raises(SystemExit):
        main(["fit", f"--config={path}", *short, "--print_config"])
    said = capsys.readouterr().out
    for name in ("app.engines.scripted.ScriptedEngine", "app.losses.CISPO", "app.advantages.RLOOK"):
        assert f"class_path: {name}\n" in said
    assert "ArithmeticDataModule\n" in said


def test_a_module_that_an_installed_one_hides_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "colorsys.py").write_text("class Mine: pass\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["fit", "--model.loss", "colorsys.Mine"])
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(
        r"'colorsys' has no attribute 'Mine' \(/.*colorsys.py comes before colorsys.py of this folder", said
    )
