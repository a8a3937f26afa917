"""`results.json` and `results.md`; in two processes: tests/app/distributed/test_processes.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from math import log
from statistics import mean

import pytest
import torch

from app.metrics.reasoning import ReasoningJudge
from app.types import Completion, Problem, Rollouts, Sampling
from callbacks.evaluation.results import Tally, markdown
from callbacks.evaluation.sets import ALL, Evaluated, EvaluationSet
from tests.conftest import CommandLine, EchoProblem, Run, scripted

KS = (1, 2, 4)
SETS = {label: EvaluationSet(label, frozenset([Evaluated(4, KS, Sampling())])) for label in (ALL, "A", "B")}
REWARDS = [[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0.5, 0], [1, 0, 0, 0]]


def tallied(rows: list[list[float]]) -> Tally:
    """All rows, of which the even ones make set A, in batches of two."""
    tally = Tally()
    for first in range(0, len(rows), 2):
        tally.update(ALL, rolled(rows[first : first + 2]), SETS[ALL])
        tally.update("A", rolled(rows[first : first + 1]), SETS["A"])
    return tally


def rolled(rows: list[list[float]]) -> Rollouts:
    """Responses with such rewards: one that passes answers "right", the others "left"."""
    tokens = torch.zeros(1, dtype=torch.long)
    completions = [
        [Completion("", tokens, "stop", answer="right" if reward == 1 else "left") for reward in row] for row in rows
    ]
    return Rollouts([EchoProblem("")] * len(rows), completions=completions, rewards=torch.tensor(rows))


def naive(rows: list[list[float]], k: int) -> float:
    return mean(mean(float(max(chosen) >= 1) for chosen in combinations(row, k)) for row in rows)


def test_estimates_are_those_of_all_groups_of_k_and_lie_in_their_intervals() -> None:
    records = tallied(REWARDS).records(SETS)
    for label, rows in {ALL: REWARDS, "A": REWARDS[::2]}.items():
        assert records[label]["problems"] == len(rows)
        for k in KS:
            figure = records[label][f"pass@{k}"]
            assert figure["estimate"] == pytest.approx(naive(rows, k), abs=1e-6)
            assert 0 <= figure["low"] <= figure["estimate"] <= figure["high"] <= 1
    votes = {ALL: [0.5, 0, 1, 0, 0], "A": [0.5, 1, 0]}
    for label, values in votes.items():
        figure = records[label]["maj@4"]
        assert figure["estimate"] == pytest.approx(mean(values), abs=1e-6)
        assert 0 <= figure["low"] <= figure["estimate"] <= figure["high"] <= 1
    assert records[ALL]["answers"] == 4
    assert records[ALL]["sampling"]["top_p"] == 1.0


def test_the_curve_of_all_problems_has_every_k() -> None:
    tally = tallied(REWARDS)
    assert tally.curve(4) == pytest.approx([naive(REWARDS, k) for k in (1, 2, 3, 4)], abs=1e-6)
    unscored = Tally()
    unscored.update(ALL, rolled([[1.0, 0.0, float("nan"), float("nan")], [0.0, 0.0, 0.0, float("nan")]]), SETS[ALL])
    assert unscored.curve(4)[:3] == pytest.approx([1 / 4, 1 / 2, 0.0])
    assert unscored.curve(4)[3] != unscored.curve(4)[3]  # no problem has four


def test_the_order_of_the_problems_changes_nothing() -> None:
    one, other = (tallied(rows).records(SETS)[ALL] for rows in (REWARDS, REWARDS[::-1]))
    assert one == other


def test_an_answer_without_a_score_counts_as_not_drawn() -> None:
    """A problem with three scored answers of four is left out of Pass@4."""
    rows = [[1.0, 0.0, 0.0, float("nan")], [0.0, 0.0, 0.0, 1.0]]
    tally = Tally()
    tally.update(ALL, rolled(rows), SETS[ALL])
    record = tally.records(SETS)[ALL]
    assert record["pass@1"]["estimate"] == pytest.approx((1 / 3 + 1 / 4) / 2, abs=1e-6)
    assert record["pass@4"]["estimate"] == 1
    assert record["maj@4"]["estimate"] == 0
    empty = Tally()
    empty.update(ALL, rolled([[float("nan")] * 4]), SETS[ALL])
    assert empty.records(SETS)[ALL]["pass@1"] is empty.records(SETS)[ALL]["maj@4"] is None
    assert "| all | 1 | 4 |  |  |  |  |" in markdown({"stage": "s", "iteration": 0, "sets": empty.records(SETS)})


def test_a_run_leaves_a_record_of_the_end_of_each_stage(finished: Run) -> None:
    written = json.loads((finished.folder / "results.json").read_text())
    assert [record["stage"] for record in written["validations"]] == ["cold start", "explore", "exploit"]
    lines = {row["stage"]: row for row in finished.results}
    for record in written["validations"]:
        line, figures = lines[record["stage"]], record["sets"][ALL]
        assert record["iteration"] == line["iteration"]
        for name in ("pass@1", "pass@2", "pass@4", "maj@4"):
            assert figures[name]["estimate"] == pytest.approx(line[f"eval/{name}"], abs=2e-6)
        assert figures["greedy"] == line["eval/greedy"]
    table = (finished.folder / "results.md").read_text()
    assert [record["sets"].keys() for record in written["validations"]] == [{ALL}] * 3
    assert (table.count("| 7x7 | 8 | 4 |"), table.count("| all |")) == (3, 0)  # one set has one row, by its name
    assert table.count("| set | problems | n | Pass@1 | Pass@2 | Pass@4 | maj@2 | maj@4 | greedy |") == 3
    assert "95% percentile bootstrap over problems" in table


def test_sets_have_their_own_n_ks_and_sampling_through_the_command_line(passk: CommandLine) -> None:
    """Of four answers to each maze one passes, of the eight to a smaller one two."""
    sets = {"5x5": {"n": 8, "ks": [1, 8], "sampling": {"max_new_tokens": 20}}}
    data = {"init_args": {"validation": {5: 3, 7: 4}}}
    engine = scripted("U", "{solution}", "U", "DUD")
    cli = passk("validate", rollout={"engine": engine}, data=data, evaluation={"sets": sets, "ks": [1, 2, 4]})
    with open(f"{cli.trainer.log_dir}/results.json") as file:
        records = json.load(file)["validations"][0]["sets"]
    assert {label: record["problems"] for label, record in records.items()} == {ALL: 7, "5x5": 3, "7x7": 4}
    assert {name: figure["estimate"] for name, figure in records["5x5"].items() if "@" in name} == {
        "pass@1": 0.25, "pass@8": 1.0, "maj@8": 0.0,
    }  # fmt: skip
    assert records["5x5"]["sampling"]["max_new_tokens"] == 20
    assert records["7x7"]["pass@2"]["estimate"] == 0.5
    assert [name for name in records[ALL] if "@" in name] == ["pass@1"]
    assert "answers" not in records[ALL]
    with open(f"{cli.trainer.log_dir}/results.jsonl") as file:
        line = json.loads(file.readline())
    assert (line["eval/5x5/pass@8"], line["eval/7x7/pass@4"], line["eval/pass@1"]) == (1, 1, 0.25)
    assert "eval/5x5/pass@2" not in line


class Even(ReasoningJudge):
    """Accepts responses of an even length."""

    def judge(self, responses: Sequence[tuple[Problem, str]]) -> list[bool]:
        return [len(text) % 2 == 0 for _, text in responses]


def test_cover_entropy_and_a_judge_through_the_command_line(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of the four answers to each maze pass."""
    judged = {"class_path": "app.metrics.reasoning.CoTPassAtK", "init_args": {"judge": f"{__name__}.Even", "k": 1}}
    engine = scripted("U", "{solution}", "{solution}", "DUD")
    own = {"taus": [0.75, 0.5], "metrics": {"cot_pass1": judged}}
    cli = passk("validate", rollout={"engine": engine}, evaluation=own)
    with open(f"{cli.trainer.log_dir}/results.json") as file:
        record = json.load(file)["validations"][0]["sets"][ALL]
    assert {name: figure["estimate"] for name, figure in record.items() if name.startswith("cover")} == {
        "cover@0.5": 1.0, "cover@0.75": 0.0,
    }  # fmt: skip
    assert record["answer_entropy"]["estimate"] == pytest.approx(1.5 * log(2), abs=1e-6)
    even = [len(problem.solution) % 2 == 0 for problem in cli.datamodule.splits["validation"]]
    assert record["metrics"]["cot_pass1"] == pytest.approx(0.5 * mean(even), abs=1e-6)
    assert "C@0.5" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        passk("validate", evaluation={"taus": [1.5]})
    assert "taus: 1.5 must lie in (0, 1]" in capsys.readouterr().err
