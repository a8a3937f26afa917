"""TRL's reward functions as a scorer: the same calls and the same order as TRL's weighted sum."""

from __future__ import annotations

import json
import pickle
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from app.scoring import InProcess, SubprocessScorer
from app.types import Composite, Unscored
from datamodules.reward_functions import RewardFunctions
from datamodules.scorers import AtLeast, Exact, Row, Weighted
from datamodules.task import TaskDataModule

CODE = """
from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy


def accuracy(completions, solution, **kwargs):
    return [float(text == wanted) for text, wanted in zip(completions, solution)]


def length(prompts, completions, **kwargs):
    return [-numpy.float32(min(len(text), 10)) for text in completions]


async def only_sums(completions, kind, **kwargs):
    return [0.5 if each == "sum" else None for each in kind]


def chat(prompts, completions, **kwargs):
    (messages,), ((said,),) = prompts, completions
    assert said["role"] == "assistant" and messages[-1]["role"] == "user"
    return [float(said["content"] == messages[-1]["content"])]


def breaks(completions, **kwargs):
    raise ZeroDivisionError("by zero")


def scalar(completions, **kwargs):
    return 1.0


def word(completions, **kwargs):
    return ["good"]


def ends_in(letter):
    def reward(completions, **kwargs):
        return [text.endswith(letter) for text in completions]

    return reward


ends_in_a, ends_in_b = ends_in("a"), ends_in("b")
ends_in_c = partial(lambda completions, letter, **kwargs: [completions[0].endswith(letter)], letter="c")


@dataclass
class EndsIn:
    letter: str

    def __call__(self, completions, **kwargs):
        return [numpy.bool_(completions[0].endswith(self.letter))]


ends_in_d = EndsIn("d")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "their_rewards.py"
    path.write_text(CODE)
    return path


def row(prompt: Any = "2?", answer: Any = None, **columns: Any) -> Row:
    return Row(prompt, answer, columns)


def build(file: Path, *names: str, **changes: Any) -> RewardFunctions:
    return RewardFunctions([f"{file}:{name}" for name in names], **changes)


def test_the_sum_is_mapped_from_its_least_and_most(file: Path) -> None:
    scorer = build(file, "accuracy", "length", reward_weights=[1.0, 0.2], bounds={"length": (-10, 0)})
    asked = row(solution="two")
    score = scorer.score("two", asked)
    assert isinstance(score, Composite)
    assert score == pytest.approx((1.0 + 0.2 * -3 - 0.2 * -10) / (1 + 0.2 * 10))
    assert score.parts == {"accuracy": 1.0, "length": -3.0}
    assert scorer.score("", row(solution="")) == 1  # the most of both
    said = ["two", "twenty", "", "t" * 30, "two "]
    ours, theirs = (
        [scorer.score(text, asked) for text in said],
        [(text == "two") - 0.2 * min(len(text), 10) for text in said],
    )
    assert sorted(said, key=lambda text: ours[said.index(text)]) == sorted(
        said, key=lambda text: theirs[said.index(text)]
    )


def test_functions_go_by_the_names_they_are_given_by(file: Path, tmp_path: Path) -> None:
    """What makes a function calls all that it makes alike, and what is called like one may have no name at all."""
    names = [f"ends_in_{letter}" for letter in "abcd"]
    scorer = build(file, *names, bounds={"ends_in_d": (0, 2)})
    (verdict,) = SubprocessScorer()([(problem(tmp_path, scorer), "b")])
    assert (verdict.parts, verdict.cause) == (dict(zip(names, (0, 1, 0, 0), strict=True)), "")
    assert verdict.score == pytest.approx(1 / 5)


def test_none_is_left_out_of_the_sum(file: Path) -> None:
    scorer = build(file, "accuracy", "only_sums", bounds={"only_sums": (0, 0.5)})
    assert scorer.score("x", row(solution="x", kind="other")) == 1
    assert scorer.score("y", row(solution="x", kind="sum")) == pytest.approx(0.5 / 1.5)
    alone = build(file, "only_sums").score("x", row(kind="other"))
    assert isinstance(alone, Unscored) and isnan(alone)
    assert "all gave None" in alone.cause


def test_a_chat_is_given_as_messages(file: Path) -> None:
    asked = row(({"role": "system", "content": "Be brief."}, {"role": "user", "content": "echo"}))
    scorer = build(file, "chat")
    assert [scorer.score(text, asked) for text in ("echo", "no")] == [1, 0]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("breaks", "ZeroDivisionError: by zero"),
        ("scalar", "ValueError: scalar gave 1.0, which is no list with one reward"),
        ("word", "ValueError: word gave 'good', which is neither a finite number nor None"),
        ("length", "length gave -1, outside of its bounds [0, 1]: see `bounds`"),
    ],
)
def test_what_is_no_reward_is_unscored_with_the_cause(name: str, cause: str, file: Path, tmp_path: Path) -> None:
    (verdict,) = InProcess()([(problem(tmp_path, build(file, name)), "x")])
    assert verdict.cause.partition(" (/")[0] == cause


def problem(folder: Path, scorer: Any, **columns: Any) -> Any:
    for name in ("train", "held"):
        (folder / f"{name}.jsonl").write_text(
            json.dumps({"question": f"{name}?", "solution": "2", "kind": "sum"}) + "\n"
        )
    data = TaskDataModule(str(folder / "train.jsonl"), str(folder / "held.jsonl"), scorer, prompt="question", **columns)
    splits, _ = data.load_splits()
    return splits["validation"][0]


def test_rewards_come_back_from_the_process_that_scores(file: Path, tmp_path: Path) -> None:
    scorer = build(file, "accuracy", "only_sums", bounds={"only_sums": (0, 0.5)})
    asked = problem(tmp_path, scorer, answer="solution")
    assert asked.solution == "2"
    answers = [(asked, text) for text in ("2", "3")]
    verdicts = list(SubprocessScorer()(answers))
    assert verdicts == list(InProcess()(answers))
    assert [verdict.score for verdict in verdicts] == [1.0, pytest.approx(1 / 3)]
    assert verdicts[1].parts == {"accuracy": 0.0, "only_sums": 0.5}
    assert pickle.loads(pickle.dumps(scorer)).score("2", asked.answer) == 1


def test_a_column_that_is_not_there_is_named_with_its_row(file: Path, tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text(json.dumps({"prompt": "2?"}) + "\n")
    few = str(tmp_path / "few.jsonl")
    with pytest.raises(
        ValueError, match=r"few.jsonl, row 1: accuracy: missing a required .*'solution'; the row has prompts"
    ):
        TaskDataModule(few, few, build(file, "accuracy")).load_splits()


def test_other_scorers_around_it(file: Path) -> None:
    scorer = AtLeast(build(file, "length", bounds={"length": (-10, 0)}), 0.8)
    (passes, fails) = (scorer.score(text, row()) for text in ("x", "xxx"))
    assert (passes, fails) == (1, 0)
    assert isinstance(fails, Composite) and fails.parts == {"length": -3}
    with pytest.raises(ValueError, match="reward_weights"):
        Weighted([Exact(), build(file, "length")], [1, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward_funcs": []}, "0 reward_weights for 0 reward_funcs"),
        ({"reward_funcs": ["random.random"], "reward_weights": [1, 2]}, "2 reward_weights for 1 reward_funcs"),
        ({"reward_funcs": ["random.random"], "reward_weights": [-1]}, "the reward weight -1 must be above 0"),
        ({"reward_funcs": ["accuracy"]}, "'accuracy' must be module.function or file.py:function"),
        ({"reward_funcs": ["nowhere.accuracy"]}, "there is no module 'nowhere'"),
        ({"reward_funcs": ["nowhere.py:accuracy"]}, "there is no file .*nowhere.py"),
        ({"reward_funcs": ["random.Random"]}, "'random.Random' names no function"),
        ({"reward_funcs": ["random.random", "random.random"]}, "must have names of their own"),
        (
            {"reward_funcs": ["random.random"], "bounds": {"rand": (0, 1)}},
            "bounds of 'rand', which is no reward function",
        ),
        ({"reward_funcs": ["random.random"], "bounds": {"random": (1, 1)}}, "1 and 1 must be finite, the second above"),
    ],
)
def test_what_can_not_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardFunctions(**arguments)


@pytest.mark.parametrize("parts", [{"a": float("nan")}, {"x" * 65: 1.0}, {str(number): 1.0 for number in range(17)}])
def test_parts_that_can_not_be_sent_are_refused(parts: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="parts"):
        Composite(1.0, parts)


def test_an_answers_column_that_was_named_must_be_there(file: Path, tmp_path: Path) -> None:
    scorer = build(file, "accuracy")
    assert problem(tmp_path, scorer).solution == ""  # no column called answer, and none was named
    with pytest.raises(ValueError, match="no value in the column 'solutions'"):
        problem(tmp_path, scorer, answer="solutions")


def test_a_function_that_changes_its_arguments_changes_no_other_reward(tmp_path: Path) -> None:
    """TRL makes one list of columns for all functions and answers of a batch; here each call has its own."""
    (tmp_path / "taking.py").write_text(
        "def first(completions, words, **kwargs):\n    completions[0] += '!'\n"
        "    return [float(words[0].pop() == 'b' and not words[0].pop() == 'b')]\n"
        "second = lambda completions, words, **kwargs: [float(completions == ['x'] and words == [['a', 'b']])]\n"
    )
    scorer = RewardFunctions([f"{tmp_path}/taking.py:{name}" for name in ("first", "second")])
    row = Row("q", None, {"prompt": "q", "words": ["a", "b"]})
    assert [scorer.score("x", row) for _ in range(2)] == [1.0, 1.0]
    assert row.columns["words"] == ["a", "b"]
