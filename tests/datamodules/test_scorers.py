"""Scorers and what is made of several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.scoring import InProcess, SubprocessScorer
from datamodules.scorers import AtLeast, Exact, Scorer, Weighted
from datamodules.task import TaskDataModule


class Share(Scorer):
    """The share of the answer's letters that the response begins with."""

    def score(self, response: str, answer: Any) -> float:
        same = [ours == theirs for ours, theirs in zip(response, answer, strict=False)]
        return [*same, False].index(False) / len(answer)

    def solve(self, answer: Any) -> str:
        return answer + "!"


def test_exact() -> None:
    assert [Exact().score(response, 3) for response in ("3", " 3\n", "3.0", "")] == [1, 1, 0, 0]
    assert [Exact().score(response, 3.0) for response in ("3", "3.0")] == [1, 0]
    assert [Exact().score(response, "3.0") for response in ("3", "3.0")] == [0, 1]
    assert [Exact().score(response, 2e-7) for response in ("0.0000002", "2e-07")] == [1, 0]
    assert Exact().solve(3.0) == "3"
    for accent in ("caf\u00e9", "cafe\u0301", "\ufeffcaf\u00e9\u200b "):
        assert [Exact().score(response, accent) for response in ("caf\u00e9", "cafe\u0301", "cafe")] == [1, 1, 0]
        assert Exact().extract_answer(accent, "") == "caf\u00e9"


def test_what_each_checks() -> None:
    for scorer in (Exact(), Weighted([Share(), Exact()], [1.0, 1.0]), AtLeast(Exact(), 0.5)):
        scorer.check("a")
        with pytest.raises(ValueError, match=r"the answer \['a'\] is neither text nor a number"):
            scorer.check(["a"])
    Share().check(["a"])


def test_whose_solutions_are_meant_to_pass() -> None:
    assert [each.is_proven for each in (Exact(), AtLeast(Exact(), 0.5), Share(), Weighted([Exact()], [1]))] == [
        True, True, False, False
    ]  # fmt: skip
    given = (Share(), AtLeast(Share(), 0.5), Fixed(1.0), Strict(), Weighted([Share()], [1.0]))
    assert [each.promises for each in given] == [True, True, False, False, False]


def test_a_weighted_mean_is_one_where_all_are() -> None:
    both = Weighted([Share(), Exact()], [3.0, 1.0])
    assert both.score("abxx", "abcd") == pytest.approx(0.375)
    assert both.score("abcd!", "abcd") == 0.75
    assert both.score("abcd", "abcd") == 1
    assert Weighted([Exact()] * 3, [0.1, 0.2, 0.3]).score("a", "a") == 1
    assert both.solve("abcd") == "abcd!"


def test_a_threshold_makes_it_binary() -> None:
    half = AtLeast(Share(), 0.5)
    assert [half.score(response, "abcd") for response in ("a", "ab", "abcd")] == [0, 1, 1]
    assert half.solve("abcd") == "abcd!"


class Strict(Share):
    """Asks for more than the class whose `solve` it has."""

    def score(self, response: str, answer: Any) -> float:
        return float(response == f"<{answer}>")


class Fixed(Scorer):
    def __init__(self, value: float) -> None:
        self.value = value

    def score(self, response: str, answer: Any) -> float:
        return self.value


@pytest.mark.parametrize("value", [float("nan"), 2.0, -1.0])
def test_what_is_no_score_does_not_become_one(value: float) -> None:
    """So that the answer is unscored."""
    for scorer in (Weighted([Exact(), Fixed(value)], [1.0, 1.0]), AtLeast(Fixed(value), 0.5)):
        assert not 0 <= scorer.score("a", "a") <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Weighted([], []), "0 weights must be given for 0 scorers"),
        (lambda: Weighted([Exact()], [1, 2]), "2 weights must be given for 1 scorers"),
        (lambda: Weighted([Exact()], [0.0]), r"the weight 0.0 must be above 0"),
        (lambda: Weighted([Exact()], [float("nan")]), r"the weight nan must be above 0"),
        (lambda: AtLeast(Exact(), 0.0), r"threshold=0.0 must lie in \(0, 1\]"),
    ],
)
def test_values_out_of_bounds_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_extracted_is_the_stripped_response_unless_a_scorer_says_otherwise() -> None:
    class Last(Share):
        """Reads the last word."""

        def extract_answer(self, response: str, answer: Any) -> str | None:
            return response.split()[-1] if response.split() else None

    assert [Exact().extract_answer(response, 3) for response in (" a 3\n", "3", " \n")] == ["a 3", "3", None]
    for scorer in (Last(), AtLeast(Last(), 0.5), Weighted([Last(), Exact()], [1, 1])):
        assert [scorer.extract_answer(response, "x") for response in ("so: x", "x", "")] == ["x", "x", None]


class Crossing(Scorer):
    """The share of the expected words that a response names, which are crossed out as they are found."""

    def score(self, response: str, answer: Any) -> float:
        number = len(answer["words"])
        for word in response.split():
            if word in answer["words"]:
                answer["words"].remove(word)
        return 1 - len(answer["words"]) / number

    def extract_answer(self, response: str, answer: Any) -> str | None:
        return answer["words"].pop()

    def solve(self, answer: Any) -> str:
        return " ".join([answer["words"].pop(), *answer["words"]])

    def check(self, answer: Any) -> None:
        answer["words"].sort()


def test_a_scorer_that_changes_the_answer_scores_the_next_response_by_the_whole_one(tmp_path: Path) -> None:
    """In a batch of the scoring process, where N responses share a problem, and in the trainer's own process."""
    rows = [{"prompt": f"name {place} words", "answer": {"words": ["b", "a", "c"]}} for place in range(2)]
    for split, row in zip(("train", "held_out"), rows, strict=True):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    wrapped = Weighted([Crossing(), Crossing()], [0.5, 0.5])
    for scorer in (Crossing(), wrapped, AtLeast(Crossing(), 0.5)):
        data = TaskDataModule(str(tmp_path / "train.jsonl"), str(tmp_path / "held_out.jsonl"), scorer, batch_size=1)
        (problem,) = data.load_splits()[0]["train"]
        for judges in (SubprocessScorer(), InProcess()):
            verdicts = list(judges([(problem, "a b c")] * 3))
            assert [(verdict.score, verdict.answer) for verdict in verdicts] == [(1.0, "c")] * 3
        assert (problem.solution, problem.solution) == ("c b a", "c b a")
        assert problem.answer == {"words": ["b", "a", "c"]}
