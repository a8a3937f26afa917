"""What a claim is: arms to train, and sentences of which a rule says whether they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, eq=False)
class Stage:
    """A stage of training. The run that trains it goes on from the run of the stages before it.

    Args:
        name: in the names of runs; within a setting no other stage has it.
        advantage: what is trained, as a schedule has it.
        steps: iterations.
        changes: what else of a schedule's stage is not as usual, such as its learning rate.
        overlay: what of the configuration is not as usual in this stage's run.
    """

    name: str
    advantage: Any
    steps: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    overlay: Mapping[str, Any] = field(default_factory=dict)

    def as_yaml(self) -> dict[str, Any]:
        """As `schedule.stages` has it."""
        until = {"class_path": "callbacks.triggers.Steps", "init_args": {"steps": self.steps}}
        return {"name": self.name, "advantage": self.advantage, "until": until, **self.changes}


Arm: TypeAlias = tuple[Stage, ...]
"""One way of training: its stages, the cold start first. Arms that begin alike share these runs."""


@dataclass(frozen=True)
class Sentence:
    """Something the paper says, and the rule that decides it: `one` is above `other` by more than `by`.

    Each seed gives a difference of two arms. The sentence holds if the 95 % interval of the mean difference lies above
    `by`, does not hold if it lies below, and is undetermined otherwise (`verdicts.py`).

    Args:
        says: in our words.
        place: where the paper says it.
        figure: the metric, as it is logged.
        one, other: two arms.
        by: the least difference; below 0 it is what `one` may lose.
        at: "last", the last validation; "fall", how far a validation lies below an earlier one at most; "mean", over
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
    """Arms under one configuration, trained with several seeds.

    Args:
        name: of the command and of the files.
        title: of its section.
        arms: by their names in tables and pictures.
        sentences: what is decided.
        seeds: of the final runs; none of them was used to choose the setting.
        setting: an overlay on the default run, beside this file.
    """

    name: str
    title: str
    arms: Mapping[str, Arm]
    sentences: tuple[Sentence, ...]
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    setting: str = "mazes.yaml"

    def __post_init__(self) -> None:
        for sentence in self.sentences:
            unknown = {sentence.one, sentence.other} - self.arms.keys()
            if unknown:
                raise ValueError(f"claim {self.name}: {', '.join(unknown)} must be among the arms {[*self.arms]}")

    @property
    def iterations(self) -> int:
        """Of all its runs, those that arms share counted once."""
        runs = {arm[: length + 1]: stage.steps for arm in self.arms.values() for length, stage in enumerate(arm)}
        return len(self.seeds) * sum(runs.values())
