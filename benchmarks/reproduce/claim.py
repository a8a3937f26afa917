"""The classes of a claim: arms to train, and sentences with the rule that decides whether they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, eq=False)
class Stage:
    """A stage of training. Its run resumes from the run of the stages before it.

    Args:
        name: part of the names of runs; unique within a setting.
        advantage: the objective, as in a schedule.
        steps: iterations.
        changes: other settings of the schedule's stage that differ, such as its learning rate.
        overlay: settings of the configuration that differ in this stage's run.
    """

    name: str
    advantage: Any
    steps: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    overlay: Mapping[str, Any] = field(default_factory=dict)

    @property
    def imitates(self) -> bool:
        """Whether it is a cold start."""
        return self.advantage == "app.advantages.Imitate"

    def as_yaml(self) -> dict[str, Any]:
        """The stage in the format of `schedule.stages`."""
        until = {"class_path": "callbacks.triggers.Steps", "init_args": {"steps": self.steps}}
        return {"name": self.name, "advantage": self.advantage, "until": until, **self.changes}


Arm: TypeAlias = tuple[Stage, ...]
"""An arm: its stages, the cold start first. Arms that begin with the same stages share their runs."""


@dataclass(frozen=True)
class Sentence:
    """A statement of the paper, and the rule that decides it: `one` is above `other` by more than `by`.

    Each seed gives a difference of two arms. The sentence holds if the 95 % interval of the mean difference is above
    `by`, does not hold if it is below, and is undetermined otherwise (`verdicts.py`).

    Args:
        says: the statement in other words.
        place: where the paper states it.
        figure: the metric's logged name.
        one, other: two arms.
        by: the least difference; if below 0, the loss that `one` may have.
        at: "last", the last validation; "fall", the largest drop of a validation below an earlier one; "mean", over
            all validations after the cold start.
    """

    says: str
    place: str
    figure: str
    one: str
    other: str
    by: float = 0.0
    at: Literal["last", "fall", "mean"] = "last"


@dataclass(frozen=True)
class Claim:
    """Arms with one configuration, trained with several seeds.

    Args:
        name: its name in the command and in file names.
        title: the title of its section.
        arms: by their names in tables and pictures.
        sentences: the statements to be decided.
        seeds: seeds of the final runs; none of them was used to choose the setting.
        setting: an overlay on the default run, in this file's folder.
        note: what the page says of the setting beyond its introduction.
    """

    name: str
    title: str
    arms: Mapping[str, Arm]
    sentences: tuple[Sentence, ...]
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    setting: str = "mazes.yaml"
    note: str = ""

    def __post_init__(self) -> None:
        for sentence in self.sentences:
            unknown = {sentence.one, sentence.other} - self.arms.keys()
            if unknown:
                raise ValueError(f"claim {self.name}: {', '.join(unknown)} must be among the arms {[*self.arms]}")

    @property
    def iterations(self) -> int:
        """The iterations of all its runs; runs that arms share count once."""
        runs = {arm[: length + 1]: stage.steps for arm in self.arms.values() for length, stage in enumerate(arm)}
        return len(self.seeds) * sum(runs.values())
