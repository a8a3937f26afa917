"""reasoning-gym's tasks as Problems: drawn, sent to the scoring process, and scored there by the library itself."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from app.scoring import SubprocessScorer, judge
from datamodules.reasoning_gym import GymProblem, GymSet, ReasoningGymDataModule
from datamodules.reasoning_gym import problem as gym_problem
from tests.conftest import CommandLine, demonstrated

TASKS: dict[str, dict[str, Any]] = {"chain_sum": {"max_terms": 3}, "leg_counting": {}}
WITHOUT_ANSWERS = ("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour")
WITH_LAMBDAS = ("arc_1d", "string_manipulation")
SUMS = GymSet("sums", 0, 1, "{}")


class Gym:
    """Scores as it is told."""

    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict

    def score_answer(self, answer: str, entry: dict[str, Any]) -> Any:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict if answer == entry["answer"] else 0.01


def scripted(monkeypatch: pytest.MonkeyPatch, verdict: Any, answer: str | None = "2") -> GymProblem:
    monkeypatch.setattr(gym_problem, "built", lambda source: Gym(verdict))
    return GymProblem(SUMS, {"question": "1 + 1?", "answer": answer, "metadata": {}})


@pytest.mark.parametrize("verdict", [1.0, 0.25, True])
def test_a_score_is_the_librarys(monkeypatch: pytest.MonkeyPatch, verdict: Any) -> None:
    problem = scripted(monkeypatch, verdict)
    assert problem.score(problem.solution) == verdict
    assert problem.score("2") == 0.0
    assert problem.prompt.startswith("1 + 1?")
    assert (problem.key, problem.label) == ("sums 1 + 1?", "sums")


@pytest.mark.parametrize("verdict", [KeyError("x"), RecursionError(), float("nan"), 2.0, "x", None])
def test_an_answer_is_unscored_where_the_library_fails(monkeypatch: pytest.MonkeyPatch, verdict: Any) -> None:
    problem = scripted(monkeypatch, verdict)
    assert not judge(problem, problem.solution).scored
    assert judge(problem, "no block").score == 0.0


def test_an_empty_answer_is_an_empty_block(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = scripted(monkeypatch, 1.0, answer="")
    assert [problem.score(text) for text in (problem.solution, "```\n```", "```x```\n```\n\n```")] == [1, 1, 1]
    assert [problem.score(text) for text in ("", "``` ", "```\n```\n```2```")] == [0, 0, 0.01]
    assert scripted(monkeypatch, 1.0).score("```\n```") == 0
    assert [problem.extract_answer(text) for text in ("```\n```", "", "```2```")] == ["", None, "2"]
    assert scripted(monkeypatch, 1.0).extract_answer("```\n```") is None


def test_an_unknown_task_without_answers_is_scored_and_not_imitated(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = scripted(monkeypatch, 0.25, answer=None)
    assert problem.solution == ""
    assert problem.score("```\n7\n```") == 0.01


def test_splits_are_drawn_scored_and_distinct() -> None:
    data = ReasoningGymDataModule(TASKS, train=20, validation=5, test=5, batch_size=4)
    data.setup("fit")
    problems = [problem for split in data.splits.values() for problem in split]
    assert {problem.label for problem in problems} == set(TASKS)
    assert len({problem.key for problem in problems}) == len(problems)
    for problem in problems:
        assert problem.score(problem.solution) == 1.0
        assert problem.score("```\nno idea\n```") < 1.0


def test_solutions_pass_in_the_scoring_process_where_entries_have_none_or_sets_can_not_be_sent() -> None:
    tasks: dict[str, Any] = {name: {} for name in (*WITHOUT_ANSWERS, *WITH_LAMBDAS, *TASKS)}
    tasks["boxnet"] = {"max_box_num": 3}
    tasks["rush_hour"] = {"max_moves": 12}
    data = ReasoningGymDataModule(tasks, train=4, validation=1, test=0)
    problems = data.load_splits()[0]["train"]
    assert len(problems) == 4 * len(tasks)
    answers = [(problem, text) for problem in problems for text in (problem.solution, "```\nNone\n```")]
    verdicts = [verdict.score for verdict in SubprocessScorer(timeout_s=30)(answers)]
    assert verdicts[::2] == [1.0] * len(problems)
    assert max(verdicts[1::2]) < 1


def test_a_problem_is_the_same_after_it_was_sent() -> None:
    problem = ReasoningGymDataModule({"string_manipulation": {}}, 1, 1, 0).load_splits()[0]["train"][0]
    again = pickle.loads(pickle.dumps(problem))
    assert (again, again.key, hash(again)) == (problem, problem.key, hash(problem))
    assert len(pickle.dumps(problem)) < 10_000


def test_a_cold_start_without_anything_to_imitate_ends_before_it_begins(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli import main

    monkeypatch.setattr(gym_problem, "SOLVERS", {})
    data = {"tasks": {"graph_color": {}}, "train": 4, "validation": 2, "test": 0, "batch_size": 2}
    settings = passk.folder / "gym.yaml"
    alphabet = "".join(map(chr, range(32, 127))) + "\n"
    policy = {"init_args": {"alphabet": alphabet, "context_length": 2048}}
    module = {"class_path": "datamodules.reasoning_gym.ReasoningGymDataModule", "init_args": data}
    settings.write_text(json.dumps({"data": module, "model": {"policy": policy}}))
    with pytest.raises(SystemExit):
        main(["fit", *passk.options(cached=False, schedule={"stages": [demonstrated()]}), f"--config={settings}"])
    assert "stage 'cold start': no answer is known to problems of graph_color" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": {}}, "at least one"),
        ({"tasks": TASKS, "train": -1}, "train=-1"),
        ({"tasks": TASKS, "test": 1_000_001}, "test=1000001 must lie between 0 and 1000000"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReasoningGymDataModule(**arguments)


@pytest.mark.parametrize("tasks", [{"no_such_task": {}}, {"chain_sum": {"no_such_setting": 1}}])
def test_what_the_library_does_not_know(tasks: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="reasoning-gym's"):
        ReasoningGymDataModule(tasks, train=4, validation=1, test=0, batch_size=4).setup("fit")


def test_splits_are_drawn_apart() -> None:
    """Entries come from seed plus index: neighboring seeds would share nearly all of them."""
    data = ReasoningGymDataModule({"chain_sum": {"min_digits": 4}}, train=40, validation=20, test=20, batch_size=4)
    data.setup("fit")
    assert {split: len(problems) for split, problems in data.splits.items()} == {
        "train": 40,
        "validation": 20,
        "test": 20,
    }
