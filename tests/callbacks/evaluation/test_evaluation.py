"""Pass@k on held-out problems, against figures known by hand and against a naive count of the same completions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from app.cli import main
from app.rollouts.worker import RolloutWorker
from app.types import Composite, Rollouts, Unscored
from callbacks.evaluation.evaluation import PassKEvaluation
from datamodules.puzzle import ScoredPuzzle
from tests.conftest import CommandLine, callback, scripted, stage, steps


def figures(cli: Any) -> dict[str, Any]:
    return callback(cli, "PassKEvaluation").history[-1]


def test_a_scripted_policy_has_the_figures_of_its_script(passk: CommandLine) -> None:
    """Of four answers to each maze one passes: Pass@k is k/4. The greedy answer is the first line, which fails."""
    found = figures(passk("validate", rollout={"engine": scripted("U", "{solution}", "U", "DUD")}))
    wanted = {"eval/pass@1": 0.25, "eval/pass@2": 0.5, "eval/pass@4": 1.0, "eval/greedy": 0.0, "eval/truncated": 0.0}
    wanted["eval/maj@4"] = 0.0  # U has two votes
    assert {name: found[name] for name in wanted} == wanted
    assert found["eval/distinct_wrong"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["stage"] == "validate"
    assert found["iteration"] == 0


@pytest.mark.parametrize("steps_of_it", [-1, 1])
def test_a_sanity_check_of_all_problems_is_a_validation(steps_of_it: int, passk: CommandLine) -> None:
    """Before the first iteration, with the figures that `validate` has; of some problems it stays a check."""
    cli = passk.fit([stage("one", until=steps(1))], f"--trainer.num_sanity_val_steps={steps_of_it}")
    evaluation = callback(cli, "PassKEvaluation")
    found = [(record["stage"], record["iteration"]) for record in evaluation.history]
    assert found == [("before training", 0)] * (steps_of_it == -1) + [("one", 1)]
    assert [record["stage"] for record in evaluation.results] == [name for name, _ in found]
    lines = (Path(cli.trainer.log_dir) / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in lines] == [name for name, _ in found]
    if steps_of_it == -1:
        alone = figures(passk("validate"))
        assert {name: value for name, value in evaluation.history[0].items() if name.startswith("eval/")} == {
            name: value for name, value in alone.items() if name.startswith("eval/")
        }


def test_a_truncated_answer_never_passes(passk: CommandLine) -> None:
    """The right answer, cut just before its end of sequence or long before it."""
    one = {"temperature": 1.0, "max_new_tokens": 4}  # the shortest solution and its end are five tokens
    overlay = {"rollout": {"engine": scripted("{solution}")}, "evaluation": {"sampling": one}}
    found = figures(passk("validate", **overlay, data={"init_args": {"min_distance": 4}}))
    assert (found["eval/pass@4"], found["eval/greedy"], found["eval/truncated"]) == (0, 0, 1)


def naive_figures(rows: list[tuple[str, list[float], list[Any]]], k: int) -> dict[str, float]:
    """Pass@k by going through all groups of k; the rest by counting."""
    wrong = [
        [row.answer for row, reward in zip(group, rewards, strict=True) if reward < 1] for _, rewards, group in rows
    ]
    every = [row for _, _, group in rows for row in group]
    return {
        f"pass@{k}": mean(
            mean(float(max(chosen) >= 1) for chosen in combinations(rewards, k)) for _, rewards, _ in rows
        ),
        "length": mean(len(row.tokens) for row in every),
        "truncated": mean(float(row.finish == "length") for row in every),
        "entropy": sum(float(row.entropies.sum()) for row in every) / sum(len(row.tokens) for row in every),
        "distinct_wrong": sum(len(set(group)) for group in wrong) / max(1, sum(map(len, wrong))),
    }


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[float], list[Any]]]:
    """What is sampled with more than one answer to a problem: its set, its rewards, its completions."""
    rows: list[tuple[str, list[float], list[Any]]] = []
    sample = RolloutWorker.sample

    def noting(self: RolloutWorker, *arguments: Any, **named: Any) -> Rollouts:
        rollouts = sample(self, *arguments, **named)
        if rollouts.rewards.shape[1] > 1:
            labels = [problem.label for problem in rollouts.problems]
            rows.extend(zip(labels, rollouts.rewards.tolist(), rollouts.completions, strict=True))
        return rollouts

    monkeypatch.setattr(RolloutWorker, "sample", noting)
    return rows


@pytest.mark.parametrize("k", [1, 2, 4])
def test_figures_are_those_of_a_naive_count_for_each_set_and_over_all(
    passk: CommandLine, sampled: list[tuple[str, list[float], list[Any]]], k: int
) -> None:
    """EvaluationPlan of 3 and 4 mazes in batches of 2, so that batches differ in size and hold both sets."""
    alphabet = {"model": {"policy": {"init_args": {"alphabet": "SE.*\n>UDLR"}}}}
    data = {"init_args": {"validation": {5: 4, 7: 3}, "test": {}, "eval_batch_size": 2}}
    found = figures(passk("validate", data=data, **alphabet))
    assert len(sampled) == 7
    for prefix, rows in {
        "eval/": sampled,
        "eval/5x5/": [row for row in sampled if row[0] == "5x5"],
        "eval/7x7/": [row for row in sampled if row[0] == "7x7"],
    }.items():
        for name, value in naive_figures(rows, k).items():
            assert found[prefix + name] == pytest.approx(value, abs=2e-6), prefix + name


def test_the_size_of_evaluation_batches_changes_nothing(passk: CommandLine) -> None:
    one, three, eight = (figures(passk("validate", f"--data.eval_batch_size={size}")) for size in (1, 3, 8))
    assert one.pop("stage") == three.pop("stage") == eight.pop("stage")
    assert one == pytest.approx(three, abs=2e-6)
    assert one == pytest.approx(eight, abs=2e-6)


@pytest.mark.parametrize(("script", "vote"), [("{solution} {solution} U D", 1.0), ("{solution} U * D", 1 / 3)])
def test_the_majority_decides_and_what_is_no_answer_does_not_vote(passk: CommandLine, script: str, vote: float) -> None:
    """A wall sign is no move, so that the second maze has three votes, each for another answer."""
    found = figures(passk("validate", rollout={"engine": scripted(*script.split())}))
    assert found["eval/maj@4"] == pytest.approx(vote, abs=1e-6)


class Shortest(Metric):
    """Tokens of the shortest response."""

    least: Tensor

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.add_state("least", torch.tensor(torch.inf), dist_reduce_fx="min")

    def update(self, rollouts: Rollouts) -> None:
        self.least = torch.minimum(self.least, rollouts.lengths.min())

    def compute(self) -> Tensor:
        return self.scale * self.least


class Adjusting(Metric):
    """Works on the rewards that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, rollouts: Rollouts) -> None:
        self.total += rollouts.rewards.add_(1).sum()

    def compute(self) -> Tensor:
        return self.total


class Several(Shortest):
    """Of no use: two numbers."""

    def compute(self) -> Tensor:
        return torch.zeros(2)


def test_a_metric_of_ones_own_is_a_figure_of_every_set(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    own = {"shortest": {"class_path": f"{__name__}.Shortest", "init_args": {"scale": 10.0}}}
    data = {"init_args": {"validation": {5: 2, 7: 3}, "eval_batch_size": 2}}
    cli = passk("validate", rollout={"engine": scripted("UU", "U", "DUD")}, evaluation={"metrics": own}, data=data)
    found = figures(cli)
    assert found["eval/shortest"] == found["eval/5x5/shortest"] == found["eval/7x7/shortest"] == 20
    assert "shortest" in capsys.readouterr().out
    folder = Path(cli.trainer.log_dir)
    records = json.loads((folder / "results.json").read_text())["validations"][0]["sets"]
    assert [record["metrics"] for record in records.values()] == [{"shortest": 20.0}] * 3
    assert "| greedy | answer entropy | shortest |" in (folder / "results.md").read_text()


def test_a_metric_that_changes_the_rewards_changes_no_other_figure(passk: CommandLine) -> None:
    """Not those of results.json either, which are counted after it."""
    options = {"rollout": {"engine": scripted("UU", "U", "DUD")}, "data": {"init_args": {"validation": {5: 2, 7: 3}}}}
    whole = passk("validate", **options)
    cli = passk("validate", evaluation={"metrics": {"A": f"{__name__}.Adjusting"}}, **options)
    found = figures(cli)
    assert {name: value for name, value in found.items() if not name.endswith("/A")} == figures(whole)
    assert found["eval/A"] > 0
    wanted, sets = (
        json.loads((Path(each.trainer.log_dir) / "results.json").read_text())["validations"][0]["sets"]
        for each in (whole, cli)
    )
    assert {label: {**record, "metrics": None} for label, record in sets.items()} == {
        label: {**record, "metrics": None} for label, record in wanted.items()
    }


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("length", "Shortest", "metrics: the name 'length' must be letters, figures, '_', '-' or '.', and none of"),
        ("7x7/length", "Shortest", "metrics: the name '7x7/length' must be letters"),
        ("two", "Several", r"metrics: Several.compute gave a tensor of shape \(2,\) for 'two': it must be a number"),
    ],
)
def test_a_metric_that_can_not_be_reported_is_one_line(
    passk: CommandLine, name: str, kind: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        passk("validate", evaluation={"metrics": {name: f"{__name__}.{kind}"}})
    assert re.search(message, capsys.readouterr().err)


@dataclass(frozen=True)
class Graded(ScoredPuzzle):
    """Has two rewards, one of which applies to long answers alone; answers of one letter have no score."""

    first: str

    @property
    def label(self) -> str:
        return f"of/{self.first}"

    def draw(self, random: Random) -> tuple[str, str]:
        word = "".join(random.choices("UDLR", k=8 if self.first == "U" else 6))
        return f"{self.first}{word}>", self.first + word

    def score(self, response: str, answer: str) -> float:
        parts = {"says": float(response == answer)} | ({"short": -len(response)} if len(response) > 2 else {})
        return Unscored("one letter") if len(response) == 1 else Composite(parts["says"], parts)


def test_each_reward_is_a_figure_of_every_set(
    passk: CommandLine, sampled: list[tuple[str, list[float], list[Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    puzzles = [{"puzzle": {"class_path": f"{__name__}.Graded", "init_args": {"first": first}}} for first in "UD"]
    shares = [share | {"train": 4, "validation": 2 + place} for place, share in enumerate(puzzles)]
    data = {
        "class_path": "datamodules.puzzle.PuzzlesDataModule",
        "init_args": {"puzzles": shares, "eval_batch_size": 2},
    }
    cli = passk("validate", rollout={"engine": scripted("UU", "U", "DUD", "{solution}")}, data=data)
    found = figures(cli)
    expected: dict[str, float] = {}
    for label in ("", "of/U/", "of/D/"):
        parts = [row.parts for of, _, rows in sampled for row in rows if label in ("", f"{of}/") and row.parts]
        for name in ("says", "short"):
            expected[f"eval/{label}reward/{name}"] = mean(each[name] for each in parts if name in each)
    assert len({*expected.values()}) == 4
    assert {name: found[name] for name in found if "reward" in name} == pytest.approx(expected, abs=1e-6)
    assert re.search(r"reward/ +┃ +reward/ ┃\n.* says ┃ +short ┃", capsys.readouterr().out)
    folder = Path(cli.trainer.log_dir)
    records = json.loads((folder / "results.json").read_text())["validations"][0]["sets"]
    assert records["of/U"]["metrics"]["reward/says"] == found["eval/of/U/reward/says"]
    assert "| greedy | answer entropy | reward/says | reward/short |" in (folder / "results.md").read_text()


def test_greedy_accuracy_is_left_out_where_it_is_not_asked_for(passk: CommandLine) -> None:
    found = figures(passk("validate", "--evaluation.greedy=false"))
    assert not [name for name in found if "greedy" in name]
    assert "eval/pass@4" in found


def test_sampling_is_that_of_training_where_none_is_given(passk: CommandLine) -> None:
    engine = scripted("{solution}")
    overlay = {"rollout": {"engine": engine, "sampling": {"max_new_tokens": 2}}, "evaluation": {"sampling": None}}
    assert figures(passk("validate", **overlay))["eval/length"] == 2


def test_two_validations_draw_the_same_numbers(passk: CommandLine) -> None:
    """A policy that learns nothing has the same figures every time."""
    idle = stage("idle", engine=scripted("U"), until=steps(4))
    cli = passk.fit([idle], "--trainer.val_check_interval=2")
    first, second = callback(cli, "PassKEvaluation").history
    assert {**first, "iteration": 4} == second


def test_a_data_module_without_splits_is_evaluated(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    """Its sets become known with its batches; settings of a set's own could not be checked before."""
    overlay = {"data": {"class_path": "tests.callbacks.extras.CoinsOfTheUser"}}
    overlay["schedule"] = {"stages": [stage("one", until=steps(1))]}
    options = passk.options(cached=False, **overlay)
    for command in ("fit", "validate", "test"):
        cli = main([command, *options])
        assert 0 < figures(cli)["eval/pass@1"] < 1
        assert callback(cli, "PassKEvaluation").results[-1]["sets"][""]["problems"] == 16
    with pytest.raises(SystemExit):
        main(["validate", *options, "--evaluation.sets={coin: {n: 8}}"])
    said = "passk: error: evaluation.sets has no effect on CoinsOfTheUser, which keeps no held-out splits"
    assert capsys.readouterr().err.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 0}, "n=0 must be at least 1"),
        ({"ks": []}, "ks must name at least one k"),
        ({"n": 4, "ks": [5]}, "k=5 must lie between 1 and the n=4 answers to each problem"),
    ],
)
def test_values_out_of_bounds_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PassKEvaluation(**changes)
