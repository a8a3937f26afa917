"""Each problem's pass rate against its rate before."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from callbacks.display.interference import by_group, halves
from tests.conftest import BY_LENGTH, CommandLine, callback, stage, steps

CALLBACK = "--trainer.callbacks+=callbacks.display.interference.Interference"


def test_changes_are_averaged_by_the_rate_before() -> None:
    rates = torch.tensor([0.0, 0.0, 0.25, 0.26, 0.5, 1.0])
    figures = by_group(rates, torch.tensor([0.2, 0.0, 0.3, -0.1, 0.1, -0.5]))
    changes = {name: figures.get(f"{name}/change") for name in ("0", "0-25", "25-50", "50-75", "75-100")}
    assert changes == {
        "0": pytest.approx(0.1), "0-25": pytest.approx(0.3), "25-50": pytest.approx(0.0), "50-75": None,
        "75-100": pytest.approx(-0.5),
    }  # fmt: skip
    assert figures["25-50/share"] == pytest.approx(1 / 3)


def test_luck_before_is_no_fall_after() -> None:
    """Rates that do not change: by the halves no group changes; by the same answers the highest would seem to fall."""
    random = Random(0)
    chances = [random.random() for _ in range(20_000)]
    before, after = ([halves([random.random() < chance for _ in range(8)]) for chance in chances] for _ in range(2))
    change = torch.tensor([now[1] - then[1] for now, then in zip(after, before, strict=True)])
    figures = by_group(torch.tensor([first for first, _ in before]), change)
    assert all(abs(value) < 0.02 for name, value in figures.items() if name.endswith("change"))
    naive = torch.tensor([now[0] - then[0] for now, then in zip(after, before, strict=True)])
    assert by_group(torch.tensor([first for first, _ in before]), naive)["75-100/change"] < -0.1


@pytest.mark.slow
def test_a_run_logs_and_draws_it_and_goes_on_from_a_checkpoint(passk: CommandLine) -> None:
    def figures(cli: Any) -> dict[str, float]:
        logged = cli.trainer.callback_metrics
        return {name: float(value) for name, value in logged.items() if name.startswith("interference/")}

    whole = passk.fit([stage("explore", BY_LENGTH, until=steps(4))], CALLBACK)
    assert sum(value for name, value in figures(whole).items() if name.endswith("/share")) == pytest.approx(1)
    assert (Path(whole.trainer.log_dir) / "media" / "interference" / "change" / "4.png").exists()
    half = passk.fit([stage("explore", BY_LENGTH, until=steps(2))], CALLBACK)
    assert figures(half) == {}  # nothing to compare with
    last = f"--ckpt_path={half.trainer.log_dir}/checkpoints/last.ckpt"
    resumed = passk.fit([stage("explore", BY_LENGTH, until=steps(4))], CALLBACK, last)
    assert figures(resumed) == figures(whole)
    assert callback(resumed, "Interference").before == callback(whole, "Interference").before


def test_one_answer_can_not_be_halved(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        passk.fit([stage("explore", BY_LENGTH)], CALLBACK, evaluation={"n": 1, "ks": [1]})
    assert "evaluation.n=1 must be at least 2 with Interference" in capsys.readouterr().err
