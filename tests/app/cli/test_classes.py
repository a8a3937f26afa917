"""What is listed from the source is what there is to import; short names are known to the parser."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import yaml
from docstring_parser import parse

from app.cli.classes import KINDS, alike, classes, import_named, listed
from tests.conftest import ROOT

EXTRAS = {"OpenAIEngine": "openai", "VLLMEngine": "vllm"}
"""Modules that can't be imported without an extra."""


def imported(kind: str) -> dict[str, Any]:
    """The classes that listing has found, imported by their paths."""
    found = {}
    for name, known in classes(kind).items():
        if name not in EXTRAS or find_spec(EXTRAS[name]):
            module, _, own = known.path.rpartition(".")
            found[name] = getattr(import_module(module), own)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_listed_is_what_can_be_named(kind: str) -> None:
    """All concrete classes that are derived from the kind's base, and no other."""
    folder, *bases = KINDS[kind]
    found = imported(kind)
    assert not any(inspect.isabstract(each) for each in found.values())
    place = ROOT / folder
    files = [path for path in place.rglob("*.py") if "tasks" not in path.parts] if place.is_dir() else [place]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    there = set()
    for module in modules:
        try:
            names = vars(import_module(module.removesuffix(".__init__"))).values()
        except ImportError:
            continue  # of an extra
        there |= {
            each for each in names if isinstance(each, type) and each.__module__.startswith(("app", "dat", "call"))
        }
    derived = {each for each in there if {*bases} & {of.__name__ for of in each.__mro__[1:]}}
    public = {each.__name__ for each in derived if not inspect.isabstract(each) and each.__name__[0] != "_"} - {*bases}
    assert public - EXTRAS.keys() == found.keys() - EXTRAS.keys()


def test_short_names_are_of_one_class_each() -> None:
    names = [name for kind in KINDS for name in classes(kind)]
    assert len(set(names)) == len(names) > 50


def test_a_list_has_a_line_for_each_class(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(["triggers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["EntropyFloor", "MetricReached", "Plateau", "Steps"]
    assert lines[-1] == "Steps          Ends a stage after a number of iterations"
    assert listed([]) == 0
    assert "policies:\n  PretrainedPolicy" in capsys.readouterr().out
    assert listed(["callbacks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"Checkpoints", "Report", "PredictionWriter"} < {line.split()[0] for line in lines}
    roles = ("Evaluation", "Replaying", "Saving", "Schedule")  # no classes to name
    assert not [line for line in lines if line.split()[0] in roles]


def test_every_callback_of_the_default_run_is_listed() -> None:
    given = yaml.safe_load((ROOT / "lightning.yaml").read_text())["trainer"]["callbacks"]
    paths = [each if isinstance(each, str) else each["class_path"] for each in given]
    assert paths
    assert {path for path in paths if path.startswith("callbacks.")} <= {
        each.path for each in classes("callbacks").values()
    }


def test_help_and_the_page_name_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(["--help"]) == 0
    assert capsys.readouterr().out == f"usage: passk list [{' | '.join(KINDS)}]\n"
    page = " ".join((ROOT / "docs" / "runs.md").read_text().split())
    assert f"or of one, with a summary: {', '.join(KINDS)}." in page


def test_an_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(["trigger"]) == 2
    assert "no kind 'trigger'" in capsys.readouterr().err


def test_every_class_says_in_a_sentence_what_it_is() -> None:
    known = [each for kind in KINDS for each in classes(kind).values()]
    assert [each.path for each in known if not 8 < len(each.summary) < 140] == []
    assert [each.path for each in known if each.summary.count("(") != each.summary.count(")")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_argument_of_a_class_has_a_text_in_the_help(kind: str) -> None:
    """A line `low, high: ...` of a docstring gives no argument a text."""
    for each in imported(kind).values():
        told = {param.arg_name for base in each.__mro__ for param in parse(base.__dict__.get("__doc__") or "").params}
        arguments = inspect.signature(each.__init__).parameters.values()
        named = [one.name for one in arguments if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        assert set(named) - told <= {"self"}, each


def test_a_comment_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("app.cli.classes.import_module", lambda name: asked.append(name) or import_module(name))
    import_named("# VLLMEngine\nengine: app.engines.openai.OpenAIEngine # PassK\nloss: Clipped")
    assert asked == ["app.losses"]


@pytest.mark.parametrize(("name", "close"), [("PassKK", "PassK"), ("MazesDataModule", "MazeDataModule"), ("Xyz", None)])
def test_a_name_that_is_not_known(name: str, close: str | None) -> None:
    assert alike(name) == close
