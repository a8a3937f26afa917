"""Problems marked by the entropy of their answers, in a real Trainer and over two processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from app.advantages import AdvantageEstimator, PassK, PassOne
from app.advantages.adaptive import Adaptive
from app.module import RLVRModule
from app.types import ProblemBatch, Rollouts
from callbacks.schedule.entropy import EntropySwitch
from tests.app.updates import fit, part, sampled
from tests.conftest import build_tiny_policy
from tests.forked import results_of_two

BOTH = ("entropy/explored", "entropy/exploited")


def with_entropies(batch: Rollouts, *nats: float | None) -> Rollouts:
    """The batch with the same entropy at every token of a problem; None where none was recorded."""
    completions = [
        [replace(row, entropies=None if each is None else torch.full(row.tokens.shape, each)) for row in group]
        for group, each in zip(batch.completions, nats, strict=True)
    ]
    return replace(batch, completions=completions)


def trained(
    *rollouts: Rollouts, share: float = 0.5, advantage: AdvantageEstimator | None = None, devices: int = 1
) -> tuple[RLVRModule, dict[str, float], list[Tensor | None]]:
    """The module after these iterations, what was logged of the last, and the marks of each."""
    module = RLVRModule(build_tiny_policy(), advantage or Adaptive(PassK(2)))
    strategy = "auto" if devices == 1 else "ddp"
    callbacks: list[Callback] = [EntropySwitch(share)]
    batches = [ProblemBatch(each.problems, each) for each in rollouts]
    trainer = fit(module, batches, callbacks=callbacks, devices=devices, strategy=strategy)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return module, logged, [batch.rollouts.explore for batch in batches]


@pytest.fixture
def batch() -> Rollouts:
    return sampled(build_tiny_policy())


def test_the_half_with_the_highest_entropy_is_exploited(batch: Rollouts) -> None:
    tokens = [
        [nats for row in group if row.entropies is not None for nats in row.entropies.tolist()]
        for group in batch.completions
    ]
    order = sorted(range(4), key=lambda index: mean(tokens[index]))
    module, logged, (explore,) = trained(batch)
    assert explore is not None
    assert [index for index in range(4) if explore[index]] == sorted(order[:2])
    for name, part_of_it in zip(BOTH, (order[:2], order[2:]), strict=True):
        expected = pytest.approx(mean(mean(tokens[index]) for index in part_of_it), rel=1e-5)
        assert logged[name] == module.figures[name] == expected
    assert logged["entropy/explored"] < logged["entropy/exploited"]


def test_each_iteration_is_ranked_by_itself(batch: Rollouts) -> None:
    """Also where a batch comes back marked."""
    second = with_entropies(part(batch, [0, 1, 2, 3]), 0.1, 0.4, 0.3, 0.2)
    second = replace(second, explore=torch.zeros(4, dtype=torch.bool))
    _, logged, marks = trained(with_entropies(batch, 3.0, 3.0, 1.0, 2.0), second)
    assert [mark.tolist() for mark in marks if mark is not None] == [
        [False, False, True, True],
        [True, False, False, True],
    ]
    assert [logged[name] for name in BOTH] == pytest.approx([0.15, 0.35])


@pytest.mark.parametrize(("share", "left_out"), [(0.0, "entropy/exploited"), (1.0, "entropy/explored")])
def test_a_part_without_problems_has_no_figure(batch: Rollouts, share: float, left_out: str) -> None:
    _, logged, (explore,) = trained(batch, share=share)
    assert explore is not None
    assert explore.tolist() == [share == 0] * 4
    assert left_out not in logged
    assert [name for name in BOTH if name in logged] == [name for name in BOTH if name != left_out]


@pytest.mark.parametrize("nats", [(None, None, None, None), (0.5, None, 0.1, 0.2)])
def test_what_has_no_entropy_stays_unmarked(batch: Rollouts, nats: tuple[float | None, ...]) -> None:
    marked = replace(with_entropies(batch, *nats), explore=torch.ones(4, dtype=torch.bool))
    _, logged, (explore,) = trained(marked, advantage=PassOne())
    assert explore is None
    assert not set(BOTH) & set(logged)
    with pytest.raises(ValueError, match="rollouts that record their entropies"):
        trained(marked)


def test_adaptive_training_without_it_says_what_is_missing(batch: Rollouts) -> None:
    with pytest.raises(ValueError, match="Adaptive needs the EntropySwitch callback"):
        fit(RLVRModule(build_tiny_policy(), Adaptive(PassK(2))), [batch])


def test_it_must_come_after_sampling(batch: Rollouts) -> None:
    module, sampled_by_nobody = RLVRModule(build_tiny_policy()), ProblemBatch(batch.problems)
    with pytest.raises(ValueError, match="needs a RolloutCallback, and it must come first"):
        fit(module, [sampled_by_nobody], callbacks=[EntropySwitch()])


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=rf"exploit_share={share} must lie in \[0, 1\]"):
        EntropySwitch(share)


def work(rank: int) -> dict[str, Any]:
    """Be one of two processes: three problems here, two there, with equal entropies on either side."""
    own = part(sampled(build_tiny_policy()), [[0, 1, 2], [3, 0]][rank])
    own = with_entropies(own, *[[0.5, 0.25, 1.0], [0.5, 1.0]][rank])
    module, _, (explore,) = trained(own, share=0.6, devices=2)
    return {"figures": module.figures, "explore": explore}


def test_processes_are_ranked_together(tmp_path: Path) -> None:
    """Three of five are exploited: both with 1.0, and of those with 0.5 that of the first process."""
    first, second = results_of_two(work, tmp_path)
    assert first["explore"].tolist() == [False, True, False]
    assert second["explore"].tolist() == [True, False]
    for result in (first, second):
        assert [result["figures"][name] for name in BOTH] == pytest.approx([0.375, 2.5 / 3])
