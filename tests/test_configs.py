"""Every YAML in configs/ through the real command line: unmodified as far as its parser, shrunk to a run of seconds."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.cli import LightningCLI

from app.cli.stages import merged
from callbacks.schedule.schedule import Stage
from tests.conftest import MINIATURE, PICTURES, ROOT, CommandLine

DEFAULTS = ROOT / "lightning.yaml"
PARTS = ROOT / "configs" / "paper" / "parts"
PAPER = sorted((ROOT / "configs" / "paper").glob("*.yaml"))
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if PARTS not in path.parents)
LARGEST = {
    "steps": 2, "at_most": 2, "repeat": 2, "problems": 4, "rollouts": 4, "k": 2, "n": 4, "max_new_tokens": 24,
    "start": 0, "end": 2, "warmup": 1, "first": 2, "last": 1,
}  # fmt: skip
"""Numbers inside stages, cut down to these."""


def shrunk(value: Any) -> Any:
    """A schedule with every number that costs time cut down."""
    if isinstance(value, list):
        return [shrunk(part) for part in value]
    if isinstance(value, dict):
        return {
            name: LARGEST[name] if name in LARGEST and isinstance(part, int | float) and part else shrunk(part)
            for name, part in value.items()
        }
    return value


def unrolled(stages: list[dict[str, Any]]) -> int:
    return sum(part["repeat"] * len(part["stages"]) if "repeat" in part else 1 for part in stages)


def loaded(text: str) -> Any:
    """Of YAML; the loader in C, where there is one, takes a tenth of the time."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def contents(path: Path) -> Any:
    """Of a file, read once."""
    return loaded(path.read_text())


BUILT: dict[tuple[str, ...], dict[str, Any]] = {}


def build_once(cli: Any, *arguments: Any) -> None:
    """In place of `PassKCLI.setup_parser`: a parser keeps nothing of what it has parsed, so one serves all files."""
    commands = tuple(cli.wanted)
    if commands not in BUILT:
        LightningCLI.setup_parser(cli, *arguments)
        names = ("parser", "_subcommand_parsers", "_subcommand_method_arguments")
        BUILT[commands] = {name: getattr(cli, name) for name in names}
    vars(cli).update(BUILT[commands])


def parsed(capsys: pytest.CaptureFixture[str], *overlays: Path, command: str = "fit") -> dict[str, Any]:
    """What the real parser makes of the defaults under these overlays."""
    from app.cli.command import PassKCLI, main

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(PassKCLI, "setup_parser", build_once)
        main([command, *(f"--config={overlay}" for overlay in overlays), "--print_config"])
    assert ended.value.code == 0
    return loaded(capsys.readouterr().out)


def written(path: Path) -> dict[str, Any]:
    """As the file has it, with the parts that it names."""
    found = contents(path)
    parts = {name: part for name, part in found.items() if isinstance(part, str) and part.endswith(".yaml")}
    return deepcopy(found | {name: contents(path.parent / part) for name, part in parts.items()})


def stages_of(path: Path) -> list[dict[str, Any]]:
    """As the file has them: a list of its own, or changes of the defaults' by name."""
    own, defaults = (written(file).get("schedule", {"stages": {}})["stages"] for file in (path, DEFAULTS))
    return merged(defaults, own) if isinstance(own, dict) else own


def said(value: Any) -> Any:
    """A class without arguments written the long way and all keys as text, so that both spellings compare equal."""
    if isinstance(value, str) and value.count(".") >= 2:
        return {"class_path": value}
    if isinstance(value, dict):
        return {str(name): part if name == "class_path" else said(part) for name, part in value.items()}
    if isinstance(value, list):
        return [said(part) for part in value]
    return value


def missing(said_there: Any, found: Any) -> list[str]:
    """What was said and not found."""
    if isinstance(said_there, dict) and isinstance(found, dict):
        return [
            f"{name}.{rest}"
            for name, part in said_there.items()
            for rest in (missing(part, found[name]) if name in found else ["absent"])
        ]
    if isinstance(said_there, list) and isinstance(found, list) and len(said_there) == len(found):
        return [rest for pair in zip(said_there, found, strict=True) for rest in missing(*pair)]
    return [] if said_there == found else [f"{said_there!r} became {found!r}"]


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_the_defaults_are_under_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, wanted = parsed(capsys, command=command), contents(DEFAULTS)
    assert missing(said({**wanted, "schedule": None}), {**said(found), "schedule": None}) == []


def flat(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stages of a schedule, those of rounds once."""
    return [stage for part in parts for stage in (part["stages"] if "repeat" in part else [part])]


@pytest.mark.parametrize("path", [DEFAULTS, *CONFIGS], ids=lambda path: path.stem)
def test_a_config_holds_what_it_says_and_its_stages_nothing_else(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a list, what a stage does not name is as if there were no lightning.yaml below it."""
    pytest.importorskip(NEEDS.get(path.stem, "torch"))
    found, wanted = parsed(capsys, path), written(path)
    wanted.pop("schedule", None)
    assert missing(said(wanted), said(found)) == []

    unset = {field.name: field.default for field in fields(Stage)}
    found_stages, wanted_stages = flat(found["schedule"]["stages"]), flat(stages_of(path))
    assert [stage["name"] for stage in found_stages] == [stage["name"] for stage in wanted_stages]
    for stage, own in zip(found_stages, wanted_stages, strict=True):
        assert missing(said(own), said(stage)) == []
        assert {name: value for name, value in stage.items() if name not in own} == {
            name: unset[name] for name in stage if name not in own
        }


def test_the_miniature_has_every_callback_but_the_pictures() -> None:
    small, defaults = (contents(path)["trainer"]["callbacks"] for path in (MINIATURE, DEFAULTS))
    drawn = [option.partition("=")[2] for option in PICTURES]
    assert small == [each for each in defaults if each not in drawn]
    assert len(small) == len(defaults) - len(drawn)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_no_source_is_in_two_splits(path: Path) -> None:
    """Deduplication would empty one of them."""
    data = written(path).get("data", {}).get("init_args", {})
    for arguments in [data, *(each["init_args"] for each in data.get("sets", {}).values())]:
        splits = ("train", "validation", "test", "train_path", "validation_path", "test_path")
        sources = [arguments[name] for name in splits if isinstance(arguments.get(name), str)]
        assert len(sources) == len(set(sources))


ELSEWHERE = {
    "openai": "tests/app/engines/test_openai.py",
    "vllm": "tests/app/engines/vllm/test_inprocess.py",
    "vllm_server": "tests/app/engines/vllm/test_server.py",
    "eight_gpus": "tests/app/engines/vllm/test_server.py",
    "fsdp": "tests/test_processes.py",
    "visual_mazes": "tests/app/policy/test_vision.py",
    "visual_mazes_tiny": "tests/app/policy/test_vision.py",
}
"""What can't be trained on one CPU or by the tiny policy, and the test that drives it."""


RUNS = [path for path in CONFIGS if path.stem not in ELSEWHERE and path.parent.name != "policies"]
"""Under the miniature's own policy the others' are nothing but the defaults: tests/app/policy has them."""


def classes_of(value: Any) -> set[str]:
    """The names of the classes that a configuration names."""
    if isinstance(value, dict):
        return set().union(*map(classes_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(classes_of, value))
    return {value} if isinstance(value, str) and re.fullmatch(r"(app|callbacks|datamodules)\.[\w.]+", value) else set()


def by_what_is_new(paths: list[Path]) -> list[Any]:
    """A file is slow that names no class that none before it names: what it says is parsed above all the same."""
    known: set[str] = set()
    cases = []
    for path in paths:
        own = classes_of(written(path))
        cases.append(pytest.param(path, marks=pytest.mark.slow) if own <= known else path)
        known |= own
    return cases


@pytest.mark.parametrize("path", by_what_is_new([DEFAULTS, *RUNS]), ids=lambda path: path.stem)
def test_a_config_runs(path: Path, passk: CommandLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(NEEDS.get(path.stem, "torch"))
    stages = shrunk(stages_of(path))
    small = tmp_path / "small.yaml"
    small.write_text(yaml.safe_dump({"schedule": {"stages": stages}}, sort_keys=False))
    cli = passk("fit", f"--config={small}", *(PICTURES if path == DEFAULTS else ()), base=path)
    callbacks = {type(each).__name__: each for each in cli.trainer.callbacks}
    assert callbacks["StageSchedule"].index == unrolled(stages) - 1
    assert len(list((Path(cli.trainer.log_dir) / "stages").iterdir())) == unrolled(stages)
    assert "Held-out problems at the end of each stage" in capsys.readouterr().out


def test_overlays_compose(capsys: pytest.CaptureFixture[str]) -> None:
    found = parsed(capsys, ROOT / "configs" / "pass_at_1.yaml", MINIATURE)
    assert [stage["name"] for stage in found["schedule"]["stages"]] == ["cold_start", "exploit"]
    assert found["rollout"]["rollouts"] == 4


POLICIES = sorted((ROOT / "configs" / "policies").glob("*.yaml"))


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_composes_with_an_experiment_a_device_and_an_adapter(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The policy first: what comes later wins, lengths among it."""
    configs = ROOT / "configs"
    found = parsed(capsys, path, configs / "paper" / "figure_13_adaptive.yaml", configs / "gpu.yaml")
    assert found["trainer"]["accelerator"] == "gpu"
    policy = found["model"]["policy"]["init_args"]
    assert policy["dtype"] == "float32"
    assert policy["head_tokens"] in (1024, None)  # None: as the vocabulary has it
    assert found["rollout"]["rollouts"] == 32
    assert found["rollout"]["sampling"]["max_new_tokens"] == 4096
    pytest.importorskip("peft")
    own = contents(path)["model"]["policy"]
    adapter = "lora_vision.yaml" if own["class_path"] == "app.policy.VisionPolicy" else "lora.yaml"
    adapted = parsed(capsys, path, configs / adapter)["model"]["policy"]
    assert (adapted["class_path"], adapted["init_args"]["path"]) == (own["class_path"], own["init_args"]["path"])
    adapted = adapted["init_args"]
    assert (adapted["dtype"], adapted["adapter"]["class_path"]) == ("bfloat16", "app.policy.LoRA")


NEEDS = {"chain_sum": "reasoning_gym", "lora": "peft", "lora_vision": "peft", "qlora": "bitsandbytes"}
"""What an overlay can't be parsed without."""


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_an_experiment_of_the_paper_has_its_settings(path: Path) -> None:
    """Appendix A.2, but for what the experiment itself is about; and a folder of its own."""
    said_there = written(path)
    model, data = said_there["model"], said_there["data"]["init_args"]
    own_rate, own_rollouts = "figure_8cd" in path.stem, path.stem.endswith("128")
    assert own_rate or model["learning_rate"]["init_args"] == {"peak": 1e-6, "warmup": 10}
    assert own_rollouts or said_there["rollout"]["rollouts"] == 32
    assert (data["batch_size"], model["minibatch_size"]) == (128, 32)
    if "maze" in said_there["data"]["class_path"]:
        assert sum(data["train"].values()) == 40_000
        assert sum(data["test"].values()) == 775
        assert said_there["evaluation"]["n"] == 32
    else:
        assert said_there["evaluation"]["n"] == 8
    if "sets" in said_there["evaluation"]:
        assert set(said_there["evaluation"]["sets"]) <= set(data["validation"])
    assert said_there["evaluation"]["sampling"]["top_p"] == 0.95
    assert said_there["trainer"]["logger"]["init_args"]["name"] == f"paper/{path.stem}"


def test_no_part_is_left_over() -> None:
    named = {part for path in PAPER for part in contents(path).values() if isinstance(part, str)}
    assert named == {str(part.relative_to(PARTS.parent)) for part in PARTS.rglob("*.yaml")}


@pytest.mark.parametrize("path", [*PAPER, *sorted(PARTS.rglob("*.yaml"))], ids=lambda path: path.stem)
def test_every_number_of_the_paper_names_its_source(path: Path) -> None:
    """Each line that says how much, how long or what is trained, behind the value or on the line above."""
    numbers = (
        "peak", "minibatch_size", "train:", "validation:", "test:", "batch_size", "rollouts", "advantage", "until",
        "ks:", "n:", "sampling", "entropy_bonus", "share:", "loop_rate",
    )  # fmt: skip
    lines = ["", *(line.strip() for line in path.read_text().splitlines())]
    bare = [
        line
        for above, line in pairwise(lines)
        if line.startswith(numbers) and "#" not in line and not above.startswith("#")
    ]
    assert bare == []


@pytest.mark.parametrize("path", [DEFAULTS, *sorted((ROOT / "configs").rglob("*.yaml"))], ids=lambda path: path.stem)
def test_comments_are_short_or_above_their_key(path: Path) -> None:
    """No line has more than 120 characters; a comment behind a value has at most 60."""
    lines = path.read_text().splitlines()
    assert [line for line in lines if len(line) > 120] == []
    behind = [found[1] for line in lines if (found := re.match(r"\s*[^\s#].*\s# (.*)", line))]
    assert [comment for comment in behind if len(comment) > 60] == []
