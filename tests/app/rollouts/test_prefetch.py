"""Sampling one iteration ahead of training, in real runs and against sampling by hand."""

from __future__ import annotations

import itertools
import threading
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from app.engines.transformers import TransformersEngine
from app.policy import Policy
from app.rollouts.worker import RolloutWorker
from app.types import Completion, Request, Rollouts, Sampling
from tests.conftest import BY_LENGTH, ROOT, CommandLine, constant, gap, scripted, stage, steps

OVERLAP = ROOT / "configs" / "overlap.yaml"
COINS = "tests.callbacks.extras.CoinDataModule"
SAMPLING = Sampling(max_new_tokens=6)


def fit(passk: CommandLine, stages: list[dict[str, Any]], *options: str, data: str = COINS, **overlay: Any) -> Any:
    """Run stages with configs/overlap.yaml on coins."""
    overlay = {
        "model": {"policy": {"init_args": {"alphabet": "ab"}}, "learning_rate": constant(1e-2), "minibatch_size": 4},
        "data": {"class_path": data, "init_args": {"batch_size": 4}},
        "rollout": {"sampling": vars(SAMPLING) | {"stop_tokens": []}},
        "trainer": {"callbacks": []},
        **overlay,
    }
    return passk("fit", *options, base=OVERLAP, cached=False, schedule={"stages": stages}, **overlay)


def trained(iterations: int, **changes: Any) -> dict[str, Any]:
    """A stage in which every iteration moves the policy."""
    return stage(f"for {iterations}", BY_LENGTH, until=steps(iterations), **changes)


# -- whose rollouts they are --------------------------------------------------------------------------


@dataclass
class Iteration:
    """An iteration's rollouts, and the policy as it stood when they were handed out."""

    policy: Policy
    batch: Rollouts
    phase: str

    def sampled_by(self, policy: Policy) -> bool:
        """Would this policy have given these very rollouts?"""
        engine = TransformersEngine()
        engine.sync(policy)
        problems, n = self.batch.problems, len(self.batch.completions[0])
        asked = [Request(each, policy.encode(each.prompt), f"0/{self.phase}/{each.key}") for each in problems]
        groups = engine.generate(asked, n, SAMPLING)
        return all(
            same(mine, own)
            for rows, others in zip(self.batch.completions, groups, strict=True)
            for mine, own in zip(rows, others, strict=True)
        )


def same(mine: Completion, own: Completion) -> bool:
    return all(
        torch.equal(getattr(mine, name), getattr(own, name)) for name in ("tokens", "sampler_logprobs", "entropies")
    )


@pytest.fixture
def iterations(monkeypatch: pytest.MonkeyPatch) -> list[Iteration]:
    """Those of the run, one for each time that training was given rollouts."""
    found: list[Iteration] = []
    sample = RolloutWorker.sample

    def noting(self: RolloutWorker, problems: Any, phase: str, *rest: Any, **named: Any) -> Rollouts:
        rollouts = sample(self, problems, phase, *rest, **named)
        if phase.startswith("fit/"):
            found.append(Iteration(deepcopy(self.module.policy), deepcopy(rollouts), phase))
        return rollouts

    monkeypatch.setattr(RolloutWorker, "sample", noting)
    return found


def test_rollouts_are_those_of_the_policy_one_iteration_before(passk: CommandLine, iterations: list[Iteration]) -> None:
    """The first iteration's own; validations, which sample with the same engine, change nothing."""
    fit(passk, [trained(6)], "--trainer.val_check_interval=2")
    first, *others = iterations
    assert [each.phase for each in iterations] == [f"fit/{number}" for number in range(6)]
    assert first.sampled_by(first.policy)
    assert first.batch.on_policy
    for before, each in zip(iterations, others, strict=False):
        assert each.sampled_by(before.policy)
        assert not each.sampled_by(each.policy)
        assert not each.batch.on_policy


def test_a_stage_begins_with_rollouts_of_the_policy_as_it_stands(
    passk: CommandLine, iterations: list[Iteration]
) -> None:
    """Whether it is like the stage before, has an engine of its own, or batches of another size."""
    own = trained(2) | {"name": "scripted", "engine": scripted("a", "b")}
    fit(passk, [trained(2), trained(2) | {"name": "alike"}, own, trained(2, problems=2) | {"name": "small"}])
    assert [each.batch.on_policy for each in iterations] == [True, False] * 4
    for number in (0, 2, 6):
        assert iterations[number].sampled_by(iterations[number].policy)
        assert iterations[number + 1].sampled_by(iterations[number].policy)
    assert [len(each.batch) for each in iterations] == [4] * 6 + [2] * 2


def test_replaced_problems_are_sampled_by_the_policy_as_it_stands(
    passk: CommandLine, iterations: list[Iteration]
) -> None:
    fit(passk, [stage("explore", until=steps(4))], "--rollout.max_resampling_rounds=3")
    replaced = [each for before, each in itertools.pairwise(iterations) if before.phase == each.phase]
    assert replaced
    assert all(each.sampled_by(each.policy) and each.batch.on_policy for each in replaced)


@pytest.mark.slow
def test_training_learns(passk: CommandLine, iterations: list[Iteration]) -> None:
    fit(passk, [stage("exploit", until=steps(40))], data="tests.callbacks.extras.MoodyDataModule")
    rewards = [each.batch.rewards.mean().item() for each in iterations]
    assert sum(rewards[:5]) / 5 < 0.4
    assert sum(rewards[-5:]) / 5 > 0.9


# -- checkpoints --------------------------------------------------------------------------------------


def last_stage(cli: Any) -> Path:
    return max((Path(cli.trainer.log_dir) / "stages").iterdir())


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(
            {"class_path": "tests.callbacks.extras.Death", "init_args": {"rank": 0, "silently": False}},
            id="at a border",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"class_path": "tests.callbacks.extras.Goes", "init_args": {"iteration": 3}}, id="amid an iteration"
        ),
    ],
)
def test_a_resumed_run_ends_as_if_it_had_never_stopped(
    passk: CommandLine, iterations: list[Iteration], ending: dict[str, Any]
) -> None:
    stages = [trained(5), trained(2) | {"name": "after"}]
    whole = fit(passk, stages)
    unbroken, iterations[:] = list(iterations), []
    with pytest.raises((RuntimeError, SystemExit)):
        fit(passk, stages, "--checkpoints.every=1", trainer={"callbacks": [ending]})
    assert 0 < len(iterations) < 5
    iterations.clear()
    resumed = fit(passk, stages, "--ckpt_path=last")
    assert gap(last_stage(whole), last_stage(resumed)) == 0
    assert len(iterations) < 7
    for mine, own in zip(iterations, unbroken[-len(iterations) :], strict=True):
        assert mine.phase == own.phase
        assert mine.batch.on_policy == own.batch.on_policy
        assert all(map(same, mine.batch.rows, own.batch.rows))


def test_rollouts_of_another_temperature_are_sampled_anew(passk: CommandLine, iterations: list[Iteration]) -> None:
    ending = {"class_path": "tests.callbacks.extras.Goes", "init_args": {"iteration": 3}}
    with pytest.raises((RuntimeError, SystemExit)):
        fit(passk, [trained(5)], "--checkpoints.every=1", trainer={"callbacks": [ending]})
    iterations.clear()
    fit(passk, [trained(5)], "--ckpt_path=last", "--rollout.sampling.temperature=0.5")
    assert [each.batch.on_policy for each in iterations] == [True, False]


# -- the thread ---------------------------------------------------------------------------------------


def sampling_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("sampling ahead")]


def test_an_error_beside_the_training_ends_the_run_with_its_cause(passk: CommandLine) -> None:
    engine = {"class_path": "tests.callbacks.extras.FailingAside", "init_args": {"device": None}}
    with pytest.raises(RuntimeError, match="the other GPU is gone"):
        fit(passk, [trained(5, engine=engine)])
    assert sampling_threads() == []


def test_no_thread_is_left_of_a_run(passk: CommandLine) -> None:
    fit(passk, [trained(2)])
    assert sampling_threads() == []
    death = {"class_path": "tests.callbacks.extras.Death", "init_args": {"rank": 0, "silently": False}}
    with pytest.raises(RuntimeError, match="the disk of this machine is gone"):
        fit(passk, [trained(3)], trainer={"callbacks": [death]})
    assert sampling_threads() == []


# -- what can't be ------------------------------------------------------------------------------------

PLAIN = {"class_path": "app.engines.transformers.TransformersEngine"}
SHARES = "overlap=true needs an engine with weights of its own, which TransformersEngine has not"
UNCORRECTED = "overlap=true trains on the previous policy's rollouts: set model.correction, such as app.losses.TokenTIS"


@pytest.mark.parametrize(
    ("options", "stages", "message"),
    [
        (["--rollout.engine=app.engines.transformers.TransformersEngine"], [trained(1)], SHARES),
        ([], [trained(1, engine=PLAIN)], f"stage 'for 1': {SHARES}"),
        (["--model.correction=null"], [trained(1)], UNCORRECTED),
    ],
    ids=["engine", "stage", "correction"],
)
def test_what_can_not_overlap_is_refused(
    passk: CommandLine,
    options: list[str],
    stages: list[dict[str, Any]],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        fit(passk, stages, *options)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
