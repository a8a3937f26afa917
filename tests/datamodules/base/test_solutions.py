"""Scorers tried on their own solutions when rows are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.scoring import SubprocessScorer
from app.types import Problem
from datamodules.base import solutions
from datamodules.base.solutions import mostly_passing, passing
from datamodules.scorers import AtLeast, Exact, Scorer, Weighted
from datamodules.task import TaskDataModule
from tests.datamodules.graders import Doubled, Tagged


def build(folder: Path, scorer: Scorer, *answers: Any, seconds: float = 10.0) -> TaskDataModule:
    """A task with a row for each answer to train on, and one that passes to validate."""
    for name, given in {"train": answers, "held_out": ["fine"]}.items():
        rows = [{"prompt": f"{name} {number}?", "answer": answer} for number, answer in enumerate(given)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = TaskDataModule(str(folder / "train.jsonl"), str(folder / "held_out.jsonl"), scorer, batch_size=1)
    data.trial.process = SubprocessScorer(seconds)
    return data


@pytest.mark.parametrize(
    ("scorer", "answer", "message"),
    [
        (Doubled(), "once", "the scorer's own solution 'once' has the score 0, not 1"),
        (AtLeast(Doubled(), 1.0), "once", "the scorer's own solution 'once' has the score 0, not 1"),
        (Doubled(), "raise", "`solve` fails: KeyError: 'raise'"),
        (Doubled(), "hang", r"the scorer's own solution 'hanghang' has no score \(the scorer did not end in time"),
    ],
)
def test_a_solution_that_is_promised_and_fails_is_refused(
    tmp_path: Path, scorer: Scorer, answer: str, message: str
) -> None:
    with pytest.raises(ValueError, match=f"train.jsonl, row 3: {message}"):
        build(tmp_path, scorer, "a", "b", answer, seconds=1.0).load_splits()


def test_one_that_passes_is_let_through(tmp_path: Path) -> None:
    assert len(build(tmp_path, Doubled(), "a", "b", "c").load_splits()[0]["train"]) == 3


@pytest.mark.parametrize("scorer", [Tagged(), Weighted([Doubled(), Exact()], [1.0, 1.0])], ids=["tag", "weighted"])
def test_one_that_nobody_promised_is_a_warning(
    tmp_path: Path, scorer: Scorer, caplog: pytest.LogCaptureFixture
) -> None:
    """Such a task may be meant for runs that never demonstrate."""
    splits, _ = build(tmp_path, scorer, "a", "b").load_splits()
    assert len(splits["train"]) == 2
    (said,) = [record.getMessage() for record in caplog.records]
    assert "own solution 'a" in said and "a cold start would teach it; give the scorer a `solve`" in said


def test_ours_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubprocessScorer, "__call__", lambda *_: pytest.fail("nothing needs to be tried"))
    for scorer in (Exact(), AtLeast(Exact(), 0.5)):
        assert build(tmp_path, scorer, "a").load_splits()[0]["train"]


def test_a_slow_scorer_is_tried_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(solutions, "SECONDS", 1e-9)
    assert len(build(tmp_path, Doubled(), "a", "b", "once").load_splits()[0]["train"]) == 3
    assert "2 solutions were tried" in caplog.text


def test_a_scorer_that_cannot_be_sent_is_for_the_run_to_refuse(tmp_path: Path) -> None:
    class Local(Doubled):
        pass

    assert build(tmp_path, Local(), "once").load_splits()[0]["train"]


@dataclass(frozen=True)
class Asked(Problem):
    """Passes "right"; its solution is what it is given."""

    key: str
    solution: str
    prompt: str = ""
    label: str = ""

    def score(self, response: str) -> float:
        return float(response == "right")


def test_a_problem_of_ours_passes_or_is_refused() -> None:
    assert passing(Asked("a", "right")).key == "a"
    with pytest.raises(ValueError, match="its own solution 'left' has the score 0, not 1"):
        passing(Asked("a", "left"))


def test_a_benchmark_may_have_a_few_wrong_answers(caplog: pytest.LogCaptureFixture) -> None:
    problems = [Asked(str(number), "left" if number == 7 else "right") for number in range(20)]
    assert mostly_passing("kor", problems) == problems
    assert "1 of 20 official answers do not pass; the first: kor, row 8: its own solution 'left'" in caplog.text
    with pytest.raises(ValueError, match=r"^kor, row 7: its own solution"):
        mostly_passing("kor", problems[1:])
