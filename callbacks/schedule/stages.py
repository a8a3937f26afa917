"""A stage of a schedule, rounds of stages, and the resolved settings of a stage."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

from app.advantages import AdvantageEstimator
from app.engines.base import RolloutEngine
from app.knobs import Knobs
from app.learning_rate import LearningRate
from app.losses import PolicyLoss
from app.settings import RolloutSettings, UpdateSettings
from app.types import Sampling
from callbacks.triggers import Trigger

LONGEST_NAME = 200
"""The most characters of a stage's name; file systems allow 255 bytes for the name of a folder."""


@dataclass(frozen=True)
class StageSettings:
    """All settings that a stage may change: the module's, the rollout worker's, and P."""

    name: str
    update: UpdateSettings
    rollouts: RolloutSettings
    problems: int | None
    knobs: Knobs = field(default_factory=Knobs)

    def rollouts_at(self, iteration: int) -> RolloutSettings:
        """The stage's rollout settings, with N and the temperature of this iteration."""
        values, rollouts = self.knobs.at(iteration), self.rollouts
        if "rollouts" in values:
            rollouts = replace(rollouts, rollouts=int(values["rollouts"]))
        if "temperature" in values:
            rollouts = replace(rollouts, sampling=replace(rollouts.sampling, temperature=values["temperature"]))
        return rollouts


@dataclass
class Stage:
    """An objective, and the condition that ends it; everything else defaults to the run's own settings.

    Args:
        name: shown in logs and results.
        advantage: the objective.
        until: the trigger that ends the stage; only the last stage may have none: the Trainer's limits then end it.
        loss: what an update minimises.
        learning_rate: a function of the number of updates since the stage began.
        problems: P, problems in an iteration.
        rollouts: N, answers to each problem.
        engine: samples the answers.
        sampling: temperature, top_p and limits of the answers.
        minibatch_size: problems per optimizer step.
        count_skipped_tokens: see RLVRModule.
        knobs: k, N and the temperature as functions of the stage's iterations.
        reset_optimizer: begin with an empty optimizer state, not with that of the stage before.
    """

    name: str
    advantage: AdvantageEstimator
    until: Trigger | None = None
    loss: PolicyLoss | None = None
    learning_rate: LearningRate | None = None
    problems: int | None = None
    rollouts: int | None = None
    engine: RolloutEngine | None = None
    sampling: Sampling | None = None
    minibatch_size: int | None = None
    count_skipped_tokens: bool | None = None
    knobs: Knobs | None = None
    reset_optimizer: bool = False

    def resolved(self, run: StageSettings) -> StageSettings:
        """The settings of this stage; those that it does not set are the run's."""
        update, rollouts = run.update, run.rollouts
        counts = self.count_skipped_tokens
        return StageSettings(
            name=self.name,
            update=UpdateSettings(
                advantage=self.advantage,
                loss=self.loss or update.loss,
                learning_rate=self.learning_rate or update.learning_rate,
                minibatch_size=self.minibatch_size or update.minibatch_size,
                count_skipped_tokens=update.count_skipped_tokens if counts is None else counts,
            ),
            rollouts=RolloutSettings(
                engine=self.engine or rollouts.engine,
                rollouts=self.rollouts or rollouts.rollouts,
                sampling=self.sampling or rollouts.sampling,
            ),
            problems=self.problems or run.problems,
            knobs=self.knobs or Knobs(),
        )


@dataclass
class Rounds:
    """The same stages repeated: "(P@k T. + P@1 T.) x 2".

    In each round the objective of a stage begins without the state of the round before, as its trigger does.

    Args:
        repeat: the number of rounds.
        stages: in order; round r of stage "explore" is named "explore r".
        name: the name by which an overlay or an argument changes the rounds.
    """

    repeat: int
    stages: list[Stage]
    name: str = "rounds"

    def unrolled(self) -> list[Stage]:
        rounds = range(1, self.repeat + 1)
        return [replace(stage, name=f"{stage.name} {number}") for number in rounds for stage in self.stages]


def with_own_objectives(stages: list[Stage]) -> list[Stage]:
    """The stages, where an objective that several of them share is copied: each has its own k and its own state."""
    own: list[Stage] = []
    for stage in stages:
        shared = any(stage.advantage is other.advantage for other in own)
        own.append(replace(stage, advantage=deepcopy(stage.advantage)) if shared else stage)
    return own


def check_stages(stages: list[Stage]) -> None:
    """Raise ValueError for equal or long names, numbers below 1, or a stage before the last that has no end."""
    if not stages:
        raise ValueError("stages must hold at least one stage")
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ValueError(f"stage names must differ: {names}")
    for stage in stages:
        if len(stage.name) > LONGEST_NAME:  # of its folder, which is made after its last iteration
            raise ValueError(f"stage {stage.name[:20]!r}...: {len(stage.name)} characters, at most {LONGEST_NAME}")
        for name in ("problems", "rollouts", "minibatch_size"):
            value = getattr(stage, name)
            if value is not None and value < 1:
                raise ValueError(f"stage {stage.name!r}: {name}={value} must be at least 1")
    for stage in stages[:-1]:
        if stage.until is None:
            raise ValueError(f"stage {stage.name!r} needs an `until`: only the last stage may do without")
