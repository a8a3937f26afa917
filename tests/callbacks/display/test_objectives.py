"""Objectives side by side on the same rollouts: what is measured, and that a run is not changed by it."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from app.advantages import PassK, PassOne
from app.storage.checkpoint import read_checkpoint
from app.types import Rollouts
from callbacks.display.objectives import Objectives, advantage_shares, compared, gradient
from tests.callbacks.extras import Coin
from tests.conftest import CommandLine, callback, demonstrated, stage, steps

PASS_1 = "app.advantages.PassOne"
OF_2 = {"class_path": "app.advantages.PassK", "init_args": {"k": 2}}
MEASURED = {"class_path": "callbacks.display.objectives.Objectives",
            "init_args": {"every": 1, "objectives": {"one": PASS_1, "two": OF_2}}}  # fmt: skip


class Norm(Callback):
    """Notes the norm of the stage's own objective beside that of the update it belongs to."""

    def __init__(self) -> None:
        self.norms: list[tuple[float, float]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.norm = float(gradient(pl_module, batch.rollouts, PassOne()(batch.rollouts)).norm())

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.norms.append((self.norm, pl_module.figures["train/grad_norm"]))


def coins(passk: CommandLine, stages: list[dict[str, Any]], *callbacks: Any, **model: Any) -> Any:
    """A run on problems that half of the answers solve."""
    data = {"class_path": "tests.callbacks.extras.CoinDataModule", "init_args": {"batch_size": 4}}
    model = {"policy": {"init_args": {"alphabet": "ab"}}, "minibatch_size": 4, "max_grad_norm": 1e9, **model}
    trainer = {"val_check_interval": 2, "callbacks+": [*callbacks]}
    return passk.fit(stages, model=model, data=data, trainer=trainer, cached=False)


def state(cli: Any) -> dict[str, Any]:
    found = read_checkpoint(Path(cli.trainer.log_dir) / "checkpoints" / "last.ckpt")
    return {name: found[name] for name in ("state_dict", "optimizer_states", "iteration")}


def test_weights_and_optimizer_are_bit_identical_with_it_and_without(passk: CommandLine) -> None:
    """A demonstrated stage is left alone; in the others an update is on-policy, and another is not."""
    stages = [demonstrated(), stage("explore", PASS_1, until=steps(4), minibatch_size=2)]
    stages[0]["engine"] = None
    stages[0]["rollouts"] = 4
    torch.manual_seed(0)
    plain = coins(passk, stages)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    measured = coins(passk, stages, MEASURED)
    assert torch.rand(1) == drawn
    assert "objectives/two/cosine" in measured.trainer.callback_metrics
    torch.testing.assert_close(state(measured), state(plain), rtol=0, atol=0)


SPREAD = {"class_path": "app.losses.SimKO", "init_args": {"smoothing": 0.5, "top_weight": 3.0, "quantile": 0.0}}


@pytest.mark.parametrize("loss", ["app.losses.Clipped", SPREAD], ids=["clipped", "shaped"])
def test_the_gradient_is_that_of_the_update(passk: CommandLine, loss: Any) -> None:
    """In micro-batches, and over rows of which some have no advantage."""
    own = "tests.callbacks.display.test_objectives.Norm"
    cli = coins(passk, [stage("explore", PASS_1, until=steps(4), loss=loss)], own, microbatch_tokens=16)
    norms = callback(cli, "Norm").norms
    assert len(norms) == 4
    assert any(update > 0 for _, update in norms)
    for norm, update in norms:
        assert norm == pytest.approx(update, rel=1e-5, abs=1e-8)


def test_the_cosine_and_the_ratio_of_two_gradients() -> None:
    figures = compared(torch.tensor([3.0, 3.0]), torch.tensor([0.0, 2.0]))
    assert figures == pytest.approx({"cosine": sqrt(0.5), "norm_ratio": 3 / sqrt(2)})
    assert compared(torch.zeros(2), torch.ones(2)) == {}


def test_what_an_objective_spends_is_counted_by_pass_rate() -> None:
    """Of 4 answers 0, 1, 2, 3 and 4 pass: k = 2 has nothing for those with fewer than two failures."""
    passes = torch.tensor([0, 1, 2, 3, 4])
    rewards = (torch.arange(4) < passes[:, None]).double()
    rollouts = Rollouts([Coin(str(number)) for number in range(5)], rewards=rewards)
    one, two = (advantage_shares(rollouts, objective(rollouts)) for objective in (PassOne(), PassK(2)))
    shares = [one[f"share/{name}"] for name in ("0-25", "25-50", "50-75", "75-100")]
    assert shares == pytest.approx([sqrt(3) / 2 / (1 + sqrt(3)), 1 / (1 + sqrt(3)), sqrt(3) / 2 / (1 + sqrt(3)), 0])
    assert (one["dead"], two["dead"]) == pytest.approx((0, 1 / 3))
    assert two["share/50-75"] == 0


def test_an_objective_with_too_few_rollouts_is_refused_at_the_start(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stage has 4, and Pass@8 is there by default."""
    with pytest.raises(SystemExit):
        coins(passk, [stage("explore", PASS_1)], "callbacks.display.objectives.Objectives")
    assert "objective 'pass@8': " in capsys.readouterr().err


def test_it_is_no_part_of_a_run_without_objectives() -> None:
    with pytest.raises(ValueError, match="objectives must name at least one"):
        Objectives({})
    with pytest.raises(ValueError, match="every=0 must be at least 1"):
        Objectives(every=0)
