"""Which problems are evaluated how."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.types import Sampling
from callbacks.evaluation.sets import ALL, Evaluated, EvaluationPlan, Settings
from tests.conftest import CommandLine, EchoProblem, stage, steps

DEFAULT = Evaluated(8, (1, 4, 8), Sampling())


@dataclass(frozen=True)
class InSets(EchoProblem):
    """In several sets."""

    names: tuple[str, ...] = ()

    @property
    def sets(self) -> tuple[str, ...]:
        return self.names


PROBLEMS = [InSets("a", names=("A",)), InSets("b", names=("B", "B.x")), InSets("c", names=("B", "B.y"))]


def test_what_a_set_does_not_say_is_as_for_all() -> None:
    sets = EvaluationPlan(DEFAULT, {"B": Settings(n=2, ks=[2, 1]), "A": Settings(sampling=Sampling(top_p=0.5))})
    assert sets.of(PROBLEMS[0]) == Evaluated(8, (1, 4, 8), Sampling(top_p=0.5))
    assert sets.of(PROBLEMS[1]) == sets.of(PROBLEMS[2]) == Evaluated(2, (1, 2), Sampling())
    assert sets.of(EchoProblem("d")) == DEFAULT
    assert [len(part) for part in sets.parts(PROBLEMS).values()] == [2, 1]


def test_the_first_set_that_is_named_decides() -> None:
    sets = EvaluationPlan(DEFAULT, {"B.x": Settings(n=9), "B": Settings(n=10)})
    assert sets.of(PROBLEMS[1]).n == 10
    only = EvaluationPlan(DEFAULT, {"B.x": Settings(n=9)})
    assert [only.of(problem).n for problem in PROBLEMS] == [8, 9, 8]


def test_problems_together_have_the_ks_that_all_of_them_have() -> None:
    sets = EvaluationPlan(DEFAULT, {"B.x": Settings(n=4, ks=(1, 4))}).sets(PROBLEMS)
    assert {label: each.ks for label, each in sets.items()} == {
        ALL: (1, 4), "A": (1, 4, 8), "B": (1, 4), "B.x": (1, 4), "B.y": (1, 4, 8),
    }  # fmt: skip
    assert sets["A"].settings == DEFAULT
    assert sets["B"].settings is None


def test_a_name_that_no_set_has() -> None:
    with pytest.raises(ValueError, match=r"sets: 'C' must be one of A, B, B.x, B.y"):
        EvaluationPlan(DEFAULT, {"C": Settings(n=9)}).sets(PROBLEMS)


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_a_set_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="of a set must be a line of text"):
        EvaluationPlan(DEFAULT, {}).sets([EchoProblem("a", name)])


def test_no_set_has_the_name_of_all_problems() -> None:
    with pytest.raises(ValueError, match=r"the name 'all' of a set is that of all problems in results\.md"):
        EvaluationPlan(DEFAULT, {}).sets([EchoProblem("a", "all")])


def test_ks_that_have_nothing_in_common() -> None:
    with pytest.raises(ValueError, match="the ks of all sets have none in common; give each the k 1"):
        EvaluationPlan(DEFAULT, {"A": Settings(ks=(2,))}).sets(PROBLEMS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(n=4), "sets, A: k=8 must lie between 1 and the n=4 answers to each problem"),
        (Settings(n=0), "sets, A: n=0 must be at least 1"),
        (Settings(ks=()), "sets, A: ks must name at least one k"),
    ],
)
def test_values_out_of_bounds(settings: Settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EvaluationPlan(DEFAULT, {"A": settings})


@pytest.mark.parametrize("label", ["reward", "a/reward", "reward/b"])
def test_a_set_is_not_called_as_rewards_are(label: str) -> None:
    with pytest.raises(ValueError, match=f"the name '{label}' of a set: means of rewards are reported under 'reward/'"):
        EvaluationPlan(DEFAULT, {}).sets([EchoProblem("x", label)])


def test_the_name_of_all_problems_is_refused_at_the_start(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("UD", "LR"):
        (passk.folder / f"{name}.jsonl").write_text(f'{{"prompt": "{name}", "answer": "{name}"}}\n')
    train, validation = (str(passk.folder / f"{name}.jsonl") for name in ("UD", "LR"))
    data = {"class_path": "datamodules.task.TaskDataModule", "init_args": {"scorer": "datamodules.scorers.Exact"}}
    data["init_args"] |= {"train": train, "validation": validation, "label": "all", "batch_size": 1}  # type: ignore[operator]
    main = lambda: passk.fit([stage("only", until=steps(1))], cached=False, data=data)  # noqa: E731
    with pytest.raises(SystemExit, match="2"):
        main()
    assert (
        "passk: error: the name 'all' of a set is that of all problems in results.md: rename the set\n"
        in capsys.readouterr().err
    )
