"""docs/coming_from_trl.md as a reader follows it: rows, reward functions and YAML unchanged, on a small policy."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, CommandLine, callback, scripted

PAGE = (ROOT / "docs" / "coming_from_trl.md").read_text()
ROWS, REWARDS, TRL, SUMS, STAGES = (text for _, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL))
NAMES = {
    name
    for row in re.findall(r"^\| (.*?) \|", PAGE.partition("## Names")[2], re.MULTILINE)
    for name in re.findall(r"`(\w+)", row)
}
"""TRL's, in the table."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["bash", "-c", ROWS], cwd=tmp_path, check=True)
    (tmp_path / "my_rewards.py").write_text(REWARDS)
    (tmp_path / "sums.yaml").write_text(SUMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_rewards", raising=False)
    return tmp_path


def test_what_the_page_trains_on_is_read_and_each_reward_is_logged(passk: CommandLine, folder: Path) -> None:
    given = yaml.safe_load(SUMS)
    given["data"]["init_args"]["batch_size"] = 2
    (only,) = given["schedule"]["stages"]
    only["until"]["init_args"]["steps"] = 1
    only |= {"rollouts": 4, "sampling": {"max_new_tokens": 24}}
    given["rollout"]["engine"] = scripted("It is {solution}", "no number")
    cli = passk("fit", "--trainer.limit_val_batches=1", cached=False, **given)
    figures = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    assert figures["reward/correct_reward"] == 0.5
    assert figures["reward/short_reward"] == pytest.approx(-0.25)
    assert figures["eval/reward/correct_reward"] == 0.5
    assert figures["eval/reward/short_reward"] == pytest.approx(-0.25)
    assert figures["rollout/reward"] == pytest.approx(((1 - 0.06 + 0.2) + (-0.04 + 0.2)) / 2 / 1.2)
    assert figures["rollout/unscored"] == 0
    assert cli.datamodule.splits["train"][0].solution == str(
        json.loads((folder / "train.jsonl").read_text().splitlines()[0])["solution"]
    )
    assert callback(cli, "StageSchedule").stages[0].name == "grpo"


def test_both_take_the_same_model_rows_and_numbers() -> None:
    """TRL is not installed here: its script is compiled, and its names are those of the table."""
    (call,) = (
        node
        for node in ast.walk(ast.parse(TRL))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "GRPOConfig"
    )
    theirs = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg is not None}
    ours = yaml.safe_load(SUMS)
    scorer, data = ours["data"]["init_args"]["scorer"]["init_args"], ours["data"]["init_args"]
    assert theirs["reward_weights"] == scorer["reward_weights"]
    assert theirs["num_generations"] == ours["rollout"]["rollouts"]
    assert theirs["per_device_train_batch_size"] == data["batch_size"] * ours["rollout"]["rollouts"]
    assert theirs["max_completion_length"] == ours["rollout"]["sampling"]["max_new_tokens"]
    assert theirs["learning_rate"] == ours["model"]["learning_rate"]["init_args"]["peak"]
    assert (
        theirs["epsilon"]
        == ours["model"]["loss"]["init_args"]["clip_low"]
        == ours["model"]["loss"]["init_args"]["clip_high"]
    )
    assert theirs["max_steps"] == ours["schedule"]["stages"][0]["until"]["init_args"]["steps"]
    assert set(theirs) <= NAMES
    assert [stage["name"] for stage in yaml.safe_load(STAGES)["schedule"]["stages"]] == ["explore", "exploit"]
