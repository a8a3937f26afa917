"""Several data modules as one, and the whole of it through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from datamodules.arc import ArcDataModule
from datamodules.korbench import KORBenchDataModule
from datamodules.math import MathDataModule
from datamodules.maze import MazeDataModule
from datamodules.several import SeveralDataModule
from datamodules.task import Table
from tests.conftest import BY_LENGTH, PICTURES, CommandLine, demonstrated, stage

pytest.importorskip("math_verify")
SAMPLES = Path(__file__).parent / "samples"


def sets(cache: Path) -> dict[str, Any]:
    return {
        "mazes": MazeDataModule({5: 8}, {5: 4, 7: 2}, {}, batch_size=2, cache_dir=cache),
        "AIME24": MathDataModule(validation={"x": Table(str(SAMPLES / "maths.jsonl"), "problem")}),
        "KORBench": KORBenchDataModule(str(SAMPLES / "korbench")),
        "ARC-AGI 1": ArcDataModule(str(SAMPLES / "arc"), train=str(SAMPLES / "arc" / "mirror.json")),
    }


def test_every_set_is_reported_by_its_name_and_its_parts(tmp_path: Path) -> None:
    splits, dropped = SeveralDataModule(sets(tmp_path), train=["mazes"]).load_splits()
    assert {problem.sets for problem in splits["validation"]} == {
        ("mazes", "mazes.5x5"), ("mazes", "mazes.7x7"), ("AIME24",), ("ARC-AGI 1",),
        *(("KORBench", f"KORBench.{part}") for part in ("operation", "logic", "cipher", "puzzle", "counterfactual")),
    }  # fmt: skip
    assert len(splits["train"]) == 8
    assert dropped == {"train": dropped["train"], "validation": dropped["validation"], "test": 0}


def test_what_is_validated_on_in_one_set_is_trained_on_in_none(tmp_path: Path) -> None:
    several = SeveralDataModule(sets(tmp_path), train=["mazes", "ARC-AGI 1"])
    splits, dropped = several.load_splits()
    assert {problem.label for problem in splits["train"]} == {"mazes"}
    assert dropped["train"] >= 1


def test_a_problem_is_what_it_was_but_for_its_name(tmp_path: Path) -> None:
    inner = sets(tmp_path)["mazes"].load_splits()[0]["validation"]
    outer = SeveralDataModule(sets(tmp_path)).load_splits()[0]["validation"][: len(inner)]
    for one, other in zip(inner, outer, strict=True):
        assert (one.prompt, one.key, one.solution) == (other.prompt, other.key, other.solution)
        assert one.demonstrate(Random(0)) == other.demonstrate(Random(0))
        assert one.draw(one.solution) == other.draw(one.solution)
        assert other.score(one.solution) == 1
        assert other.label == "mazes"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sets": {}}, "sets must hold at least one data module"),
        ({"train": ["Mazes"]}, "train: 'Mazes' must be one of the sets mazes, AIME24, KORBench, ARC-AGI 1"),
        ({"sets": {"a/b": None}}, "the name 'a/b' of a set must hold neither / nor ."),
    ],
)
def test_values_that_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SeveralDataModule(**{"sets": sets(tmp_path), **changes})


def of_class(name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": f"datamodules.{name}", "init_args": arguments}


def overlay(passk: CommandLine) -> list[str]:
    """A small Table 1: trained on mazes, validated on four sets, each in its own way."""
    members = {
        "mazes": of_class("maze.MazeDataModule", train={5: 8}, validation={5: 2}, test={}, batch_size=2,
                          cache_dir=str(passk.cache)),
        "AIME25": of_class("math.MathDataModule",
                           validation={"x": {"source": str(SAMPLES / "maths.jsonl"), "prompt": "problem"}}),
        "KORBench": of_class("korbench.KORBenchDataModule", validation=str(SAMPLES / "korbench")),
        "ARC-AGI 1": of_class("arc.ArcDataModule", validation=str(SAMPLES / "arc")),
    }  # fmt: skip
    data = of_class("several.SeveralDataModule", sets=members, train=["mazes"], batch_size=2)
    policy = {"init_args": {"alphabet": "".join(map(chr, range(32, 127))) + "\n", "context_length": 2048}}
    own = {"AIME25": {"n": 6, "ks": [1, 6]}, "KORBench": {"n": 1, "ks": [1]}}
    path = passk.folder / "table.yaml"
    path.write_text(yaml.safe_dump({"data": data, "model": {"policy": policy}, "evaluation": {"sets": own}}))
    return [f"--config={path}"]


def test_one_run_trains_on_one_set_and_reports_all(passk: CommandLine) -> None:
    from app.cli import main

    schedule = {"stages": [demonstrated(), stage("explore", BY_LENGTH)]}
    cli = main(["fit", *passk.options(*PICTURES, cached=False, schedule=schedule), *overlay(passk)])
    written = json.loads((Path(cli.trainer.log_dir) / "results.json").read_text())["validations"]
    assert [record["stage"] for record in written] == ["cold start", "explore"]
    found = written[-1]["sets"]
    assert {name: found[name].get("answers") for name in ("", "mazes", "AIME25", "KORBench", "ARC-AGI 1")} == {
        "": None, "mazes": 4, "AIME25": 6, "KORBench": 1, "ARC-AGI 1": 4,
    }  # fmt: skip
    assert {name for name in found if "." in name} == {
        f"KORBench.{part}" for part in ("operation", "logic", "cipher", "puzzle", "counterfactual")
    }
    assert [name for name in found["AIME25"] if "@" in name] == ["pass@1", "pass@6", "maj@6"]


def test_a_set_that_is_evaluated_otherwise_must_exist(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    from app.cli import main

    with pytest.raises(SystemExit):
        main(["validate", *passk.options(cached=False), *overlay(passk), "--evaluation.sets={AIME26: {n: 4}}"])
    assert "passk: error: sets: 'AIME26' must be one of AIME25, ARC-AGI 1, KORBench" in capsys.readouterr().err
