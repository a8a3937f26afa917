"""Replay in real runs: what is replayed, how it is weighed, logged, gone on with and refused."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from app.module import RLVRModule
from app.policy import TinyPolicy
from app.types import Rollouts
from benchmarks.kill_and_resume import logged
from tests.app.architectures import plain_scores
from tests.app.updates import distance, naive_update, parameters
from tests.callbacks.test_drawing import AHEAD, COINS
from tests.conftest import CommandLine, constant, demonstrated, gap, stage, steps

GROUPS = "--replay.groups={class_path: app.replay.GroupReplay, init_args: {max_age: 2, size: 5}}"
SGD = "--model.optimizer={class_path: torch.optim.SGD, init_args: {lr: 0.1}}"
OVERLAY: dict[str, Any] = {**COINS, "rollout": {"rollouts": 2}}
"""With two rollouts every other coin teaches nothing."""


def explore(iterations: int, rate: float = 0.05, **changes: Any) -> list[dict[str, Any]]:
    return [stage("explore", until=steps(iterations), learning_rate=constant(rate), minibatch_size=4, **changes)]


@dataclass
class Iteration:
    """What an iteration was trained on, with the policy before and after."""

    before: TinyPolicy
    after: list[torch.Tensor]
    fresh: Rollouts
    mixed: Rollouts | None


def noted(monkeypatch: pytest.MonkeyPatch) -> list[Iteration]:
    """The iterations of runs to come."""
    found: list[Iteration] = []
    training_step = RLVRModule.training_step

    def noting(self: RLVRModule, batch: Any, batch_idx: int) -> None:
        before = deepcopy(self.policy)
        training_step(self, batch, batch_idx)
        found.append(Iteration(before, parameters(self), batch.sampled, batch.mixed))  # type: ignore[arg-type]

    monkeypatch.setattr(RLVRModule, "training_step", noting)
    return found


def teaches(rewards: torch.Tensor) -> bool:
    return 0 < rewards.mean() < 1


def group(rollouts: Rollouts, place: int) -> tuple[Any, ...]:
    """The problem, its answers and their rewards."""
    answers = [row.text for row in rollouts.completions[place]]
    return rollouts.problems[place], rollouts.prompts[place].tolist(), answers, rollouts.rewards[place].tolist()


def test_dead_groups_are_replaced_by_earlier_ones_weighed_by_who_sampled_them(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: whole groups of the last two iterations, and a clipped update with sampled log-probabilities."""
    iterations = noted(monkeypatch)
    cli = passk.fit(explore(10), GROUPS, SGD, **OVERLAY)
    curves, replayed = logged(Path(cli.trainer.log_dir)), 0
    for number, each in enumerate(iterations):
        trained = each.fresh if each.mixed is None else each.mixed
        for place in range(4):
            if teaches(each.fresh.rewards[place]):
                assert group(trained, place) == group(each.fresh, place)
            elif group(trained, place) != group(each.fresh, place):
                replayed += 1
                assert teaches(trained.rewards[place])
                earlier = [before.fresh for before in iterations[max(0, number - 2) : number]]
                assert group(trained, place) in [group(rollouts, there) for rollouts in earlier for there in range(4)]
        count, on_policy = int(trained.lengths.sum()), each.mixed is None
        advantages = normalised(trained.rewards)
        naive_update(each.before, trained, advantages, count, on_policy, rate=0.05, max_grad_norm=1.0)
        assert distance(parameters(each.before), each.after) < 1e-6
    assert replayed > 8
    assert len(curves["rollout/reward"]) == len(curves["replay/share"]) == 10
    assert 0 < len(curves["replay/ess"]) < 10
    record = cli.trainer.datamodule.stream.record
    assert record.drawn.sum() == 10 * 4
    assert record.answers.sum() < 10 * 4 * 2  # each answer once, those of earlier draws for half


def normalised(rewards: torch.Tensor) -> torch.Tensor:
    """GRPO's advantages.  [P, N] -> [P, N]"""
    deviations = rewards.std(-1, keepdim=True, correction=0)
    return torch.where(deviations > 0, (rewards - rewards.mean(-1, keepdim=True)) / deviations, 0.0)


def value(curve: list[tuple[int, bytes]]) -> list[bytes]:
    return [each for _, each in curve]


def test_without_it_nothing_is_another(passk: CommandLine) -> None:
    """What is kept and never needed changes no weight: with many rollouts every coin teaches."""
    many = {**OVERLAY, "rollout": {"rollouts": 16}}
    plain = Path(passk.fit(explore(3, 1e-3), **many).trainer.log_dir)
    kept = Path(passk.fit(explore(3, 1e-3), GROUPS, **many).trainer.log_dir)
    assert gap(plain / "stages" / "1-explore", kept / "stages" / "1-explore") == 0
    assert "replay/share" not in logged(plain)
    assert "replay/ess" not in logged(kept)


STAGES = [demonstrated(until=steps(1)), *explore(8)]


@pytest.mark.slow  # test_replay_prefixes.py has a quick one
@pytest.mark.parametrize("options", [[], AHEAD], ids=["at once", "ahead"])
def test_a_run_in_two_parts_is_one_run(passk: CommandLine, tmp_path: Path, options: list[str]) -> None:
    """What has been kept is in the checkpoint. tests/test_resume.py has runs that are killed."""
    whole = Path(passk.fit(STAGES, GROUPS, *options, **OVERLAY).trainer.log_dir)
    other = CommandLine(tmp_path / "other", passk.cache)
    other.folder.mkdir()
    before = other.fit(STAGES, GROUPS, *options, "--trainer.max_steps=6", **OVERLAY)
    resumed = Path(other.fit(STAGES, GROUPS, *options, "--ckpt_path=last", **OVERLAY).trainer.log_dir)
    assert 2 < before.model.iteration < 10
    assert gap(whole / "stages" / "2-explore", resumed / "stages" / "2-explore") == 0
    mine, theirs = logged(whole), logged(resumed)
    for name in ("replay/share", "replay/kept", "replay/age", "replay/ess"):
        assert mine[name] == theirs[name]
    assert len(mine["replay/share"]) == 8  # none of the demonstrations
    assert len(set(value(mine["replay/ess"]))) > 2


REINFORCE = {"class_path": "app.losses.Reinforce"}


@pytest.mark.parametrize(
    ("stages", "options", "message"),
    [
        (explore(2, loss=REINFORCE), [], "stage 'explore': Reinforce has no importance ratio"),
        ([demonstrated()], [], "replay has no effect: every stage is taught by demonstrations"),
        (explore(2), ["--replay.groups.max_age=0"], "max_age=0 must be at least 1"),
    ],
)
def test_what_would_not_be_exact_is_refused(
    passk: CommandLine, capsys: pytest.CaptureFixture[str], stages: list[Any], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        passk.fit(stages, GROUPS, *options, **OVERLAY)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("passk: error: ")
    assert message in said


@pytest.mark.slow
def test_a_correction_weighs_replayed_tokens_by_the_present_policy(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: -w A log pi with w = min(pi_present / pi_sampled, 1.2), which is 1 for fresh ones."""
    iterations = noted(monkeypatch)
    correction = "--model.correction={class_path: app.losses.TokenTIS, init_args: {cap: 1.2}}"
    passk.fit(explore(10, loss=REINFORCE), GROUPS, SGD, correction, "--model.max_grad_norm=1e9", **OVERLAY)
    for each in iterations:
        trained = each.fresh if each.mixed is None else each.mixed
        rows = trained.experience(normalised(trained.rewards))
        logprobs = plain_scores(each.before.model, rows)[0]
        assert rows.sampler_logprobs is not None
        weights = (logprobs.detach() - rows.sampler_logprobs).exp().clamp(max=1.2)
        loss = -(weights * rows.advantages * logprobs * rows.mask).sum() / int(trained.lengths.sum())
        grads = torch.autograd.grad(loss, list(each.before.parameters()))
        expected = [value - 0.05 * grad for value, grad in zip(each.before.parameters(), grads, strict=True)]
        assert distance(expected, each.after) < 1e-6
    assert sum(each.mixed is not None for each in iterations) > 3
