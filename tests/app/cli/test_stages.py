"""Stages are changed by name, in an overlay and on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import main
from app.cli.stages import merged, spelt_out
from tests.conftest import CommandLine, callback, demonstrated, stage, steps


def pass_k(k: int) -> dict[str, Any]:
    return {"class_path": "app.advantages.PassK", "init_args": {"k": k}}


RATE = {"class_path": "app.learning_rate.Linear", "init_args": {"peak": 1.0, "warmup": 5}}
FIRST = {"name": "first", "advantage": pass_k(8), "until": steps(3), "learning_rate": RATE, "sampling": None}
SECOND = {"name": "second", "advantage": {"class_path": "app.advantages.PassOne"}, "until": steps(4)}
ROUNDS = {"name": "rounds", "repeat": 2, "stages": [SECOND]}
NEW = {"advantage": "app.advantages.PassOne"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [FIRST, SECOND]),
        ({"first": None}, [SECOND]),
        ({"second": {"problems": 4}}, [FIRST, SECOND | {"problems": 4}]),
        ({"first": {"k": 2, "steps": 9}}, [FIRST | {"advantage": pass_k(2), "until": steps(9)}, SECOND]),
        ({"first": {"advantage": {"k": 2}}}, [FIRST | {"advantage": pass_k(2)}, SECOND]),
        ({"first": {"advantage": pass_k(2)}}, [FIRST | {"advantage": pass_k(2)}, SECOND]),
        ({"first": {"advantage": "PassK"}}, [FIRST, SECOND]),
        ({"first": {"advantage": "PassOne"}}, [FIRST | {"advantage": "PassOne"}, SECOND]),
        (
            {"first": {"learning_rate": {"init_args": {"peak": 2.0}}}},
            [FIRST | {"learning_rate": RATE | {"init_args": {"peak": 2.0, "warmup": 5}}}, SECOND],
        ),
        ({"first": {"learning_rate": None}}, [FIRST | {"learning_rate": None}, SECOND]),
        ({"third": NEW}, [FIRST, SECOND, {"name": "third", **NEW}]),
    ],
)
def test_stages_with_changes(changes: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    stages = [FIRST, SECOND]
    found = merged(stages, changes)
    assert [{**part, "advantage": said(part["advantage"])} for part in found] == [
        {**part, "advantage": said(part["advantage"])} for part in expected
    ]
    assert stages == [FIRST, SECOND]


def said(advantage: Any) -> Any:
    """A class by its short name, with its arguments."""
    given = {"class_path": advantage} if isinstance(advantage, str) else advantage
    return given["class_path"].rpartition(".")[2], given.get("init_args", {})


def test_stages_in_rounds_are_changed_too() -> None:
    found = merged([FIRST, ROUNDS], {"second": {"steps": 1}, "rounds": {"repeat": 3}})
    assert found == [FIRST, ROUNDS | {"repeat": 3, "stages": [SECOND | {"until": steps(1)}]}]
    assert ROUNDS["stages"] == [SECOND]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frist": {"k": 4}}, "no stage 'frist': did you mean 'first'"),
        ({"other": None}, "no stage 'other': there are first, second"),
        ({"first": {"problem": 4}}, "stage 'first' has no 'problem': did you mean 'problems'"),
        ({"second": {"k": 4}}, "stage 'second' has no 'k'"),
        ({"second": {"learning_rate": {"peak": 1.0}}}, "has no learning_rate of its own"),
        ({"second": 4}, "takes a mapping of changes"),
    ],
)
def test_what_is_not_there_can_not_be_changed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        merged([FIRST, SECOND], changes)


def test_two_stages_of_one_name_can_not_be_told_apart() -> None:
    with pytest.raises(ValueError, match="2 stages are called 'second'"):
        merged([SECOND, ROUNDS], {"second": None})


def test_arguments_name_a_stage_without_saying_stages() -> None:
    given = ["fit", "--schedule.explore.k", "4", "--schedule.exploit=null", "--model.schedule.x=1"]
    own = ["--schedule.stages+=x", "--schedule.save_stages=false", "--schedule.stages.explore.k=4", "--schedule=a.yaml"]
    assert spelt_out([*given, *own]) == [
        *("fit", "--schedule.stages.explore.k", "4", "--schedule.stages.exploit=null", "--model.schedule.x=1"),
        *own,
    ]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    """The stages of the configuration that these arguments make, by name."""
    with pytest.raises(SystemExit) as ended:
        main(["fit", *arguments, "--print_config"])
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    return {part["name"]: part for part in yaml.safe_load(said.out)["schedule"]["stages"]}


def test_an_overlay_an_argument_and_what_was_printed_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each changes what was given before it; what `--print_config` prints is read as the same schedule."""
    overlay, whole = tmp_path / "overlay.yaml", tmp_path / "whole.yaml"
    overlay.write_text("schedule: {stages: {cold_start: null, explore: {k: 2, problems: 4}}}")
    found = printed(
        capsys, f"--config={overlay}", "--schedule.explore.k=4", "--schedule.exploit.learning_rate.peak=1e-5"
    )
    assert list(found) == ["explore", "exploit"]
    assert (found["explore"]["advantage"], found["explore"]["problems"]) == (pass_k(4), 4)
    assert (
        found["exploit"]["learning_rate"]["init_args"] | {"peak": 1e-5}
        == found["exploit"]["learning_rate"]["init_args"]
    )
    whole.write_text(yaml.safe_dump({"schedule": {"stages": list(found.values())}}))
    assert printed(capsys, f"--config={whole}") == found


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--schedule.explor.k=4", "schedule.stages: no stage 'explor': did you mean 'explore'?"),
        ("--schedule.explore.kk=4", "schedule.stages: stage 'explore' has no 'kk': did you mean 'k'?"),
        ("--schedule.explore.k=many", "schedule.stages.advantage.k: must be an integer, not many"),
    ],
)
def test_a_mistake_is_one_line(argument: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", argument])
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip().startswith(f"passk: error: {message}")


@pytest.mark.slow
def test_a_run_changed_by_name_is_resumed_by_its_config(passk: CommandLine) -> None:
    """The run's config.yaml holds the schedule as it came to be."""
    first = passk.fit([demonstrated("cold_start"), stage("exploit")], "--schedule.cold_start.steps=1")
    folder = Path(first.trainer.log_dir)
    assert callback(first, "StageSchedule").iterations == 3
    checkpoint = folder / "stages" / "1-cold-start" / "stage.ckpt"
    again = main(["fit", f"--config={folder / 'config.yaml'}", f"--ckpt_path={checkpoint}"])
    assert again.model.iteration == first.model.iteration == 3
    with pytest.raises(SystemExit):  # it has been through the first stage as it was
        options = ["--schedule.cold_start.steps=2", f"--ckpt_path={checkpoint}"]
        main(["fit", f"--config={folder / 'config.yaml'}", *options])
