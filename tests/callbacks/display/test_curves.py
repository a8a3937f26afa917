"""The figure of a run's objectives, in its TensorBoard and by itself."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from app.advantages import PassK, PassOne
from app.advantages.curves import curves
from callbacks.display.curves import curves_figure
from tests.conftest import CURVES, CommandLine, demonstrated, stage


def test_a_run_shows_its_objectives(passk: CommandLine) -> None:
    """Each stage by its own number of rollouts: the first has 2, the second the run's 4, for which k = 4 will do."""
    explore = stage("explore", {"class_path": "app.advantages.PassK", "init_args": {"k": 4}})
    cli = passk.fit([demonstrated(), explore], CURVES)
    events = EventAccumulator(str(Path(cli.trainer.log_dir)), size_guidance={"images": 0})
    events.Reload()
    assert "stage/advantages" in events.Tags()["images"]
    assert [image.step for image in events.Images("stage/advantages")] == [0]


def test_a_line_for_each_objective() -> None:
    objectives = {"explore": curves(PassK(4), 32, repeats=1), "exploit": curves(PassOne(), 32, repeats=1)}
    panels = curves_figure(objectives).axes
    assert [axes.get_title() for axes in panels] == ["A_pos", "A_neg", "eta (Eq. 16)"]
    explore, exploit = panels[2].get_lines()
    assert [explore.get_label(), exploit.get_label()] == ["explore", "exploit"]
    assert explore.get_ydata().argmax() == 8
    assert exploit.get_ydata().max() == 32
