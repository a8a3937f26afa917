"""k, N and the temperature of each iteration in real runs: what is drawn, trained with, logged, resumed and refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.advantages import PassK
from app.knobs import Knobs, Ramp
from benchmarks.kill_and_resume import differences
from callbacks.saving.events import event_files, read_events
from callbacks.schedule.schedule import StageSchedule
from callbacks.schedule.stages import Stage
from callbacks.triggers import Steps
from tests.conftest import CommandLine, callback, constant, gap, stage, steps

RECORDER = "--trainer.callbacks+=tests.callbacks.extras.Recorder"
NOISY = {"class_path": "app.advantages.FlipNegatives", "init_args": {"share": 0.5, "of": {
    "class_path": "app.advantages.PassK", "init_args": {"k": 4}}}}  # fmt: skip


def knob(name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": f"app.knobs.{name}", "init_args": arguments}


KNOBS = {
    "k": knob("Ramp", first=4, last=1, end=3),
    "rollouts": knob("Stepwise", values={0: 4, 2: 6}),
    "temperature": knob("HalfCosine", first=1.5, last=0.5, end=2),
}
STAGES = [
    stage("anneal", NOISY, until=steps(5), knobs=KNOBS, learning_rate=constant(1e-2)),
    stage("after", NOISY, until=steps(1)),
]


def curve(folder: Path, name: str) -> list[float]:
    """Of TensorBoard's, in order."""
    values = [
        (event.step, value)
        for path in event_files(folder)
        for event in read_events(path)
        for value in event.summary.value
        if value.tag == name
    ]
    return [value.simple_value or value.tensor.float_val[0] for _, value in sorted(values, key=lambda pair: pair[0])]


def test_each_iteration_has_its_own_and_a_resumed_run_the_same(passk: CommandLine, tmp_path: Path) -> None:
    whole = passk.fit(STAGES, RECORDER, "--model.minibatch_size=4")
    folder = Path(whole.trainer.log_dir)
    seen = callback(whole, "Recorder").seen
    assert [row["rollouts"] for row in seen] == [4, 4, 6, 6, 6, 4]
    assert [row["temperature"] for row in seen] == pytest.approx([1.5, 1.0, 0.5, 0.5, 0.5, 1.0])
    assert curve(folder, "stage/k") == [4, 3, 2, 1, 1]
    assert curve(folder, "stage/rollouts") == [4, 4, 6, 6, 6]
    assert curve(folder, "stage/temperature") == pytest.approx([1.5, 1.0, 0.5, 0.5, 0.5])

    other = CommandLine(tmp_path / "other", passk.cache)
    other.folder.mkdir()
    cut = other.fit(STAGES, "--trainer.max_steps=1", "--model.minibatch_size=4")  # an update in each iteration
    again = other.fit(STAGES, RECORDER, "--model.minibatch_size=4", "--ckpt_path=last")
    assert cut.model.iteration == 2  # the first makes no update
    assert [row["rollouts"] for row in callback(again, "Recorder").seen] == [6, 6, 6, 4]
    assert gap(folder / "stages" / "2-after", Path(again.trainer.log_dir) / "stages" / "2-after") == 0
    runs = [each.folder / "runs" for each in (passk, other)]
    assert [each for each in differences(*runs) if "checkpoints/" not in each and "TensorBoard" not in each] == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "k above N": (
        {"knobs": {"k": knob("Ramp", first=2, last=8, end=6)}},
        r"stage 'a': knobs, iteration 3 \(k=5\): k=5 must lie between 1 and the 4 rollouts per problem",
    ),
    "N below k": (
        {"knobs": {"rollouts": knob("Ramp", first=4, last=2, end=2)}},
        r"stage 'a': knobs, iteration 1 \(rollouts=3\): k=4 must lie between 1 and the 3 rollouts per problem",
    ),
    "no whole number": ({"knobs": {"k": knob("Fixed", value=1.5)}}, r"knobs\.k: 1\.5 must be a whole number"),
    "no k": (
        {"advantage": "app.advantages.PassOne", "knobs": {"k": knob("Fixed", value=2)}},
        r"stage 'a': knobs, iteration 0 \(k=2\): PassOne\(\) has no k",
    ),
    "zero": ({"knobs": {"temperature": knob("Ramp", first=1.0, last=0.0, end=2)}}, r"temperature=0 must be above 0: N"),
    "negative": ({"knobs": {"temperature": knob("Fixed", value=-1.0)}}, r"temperature=-1.0 must be at least 0"),
    "no policy": (
        {"engine": "app.engines.demonstrations.DemonstrationEngine", "knobs": {"temperature": knob("Fixed", value=1)}},
        r"knobs\.temperature=Fixed\(value=1(\.0)?\) must be null with DemonstrationEngine",
    ),
    "unknown": ({"knobs": {"top_p": knob("Fixed", value=1)}}, r"top_p"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_could_not_work_is_refused_at_the_start(
    passk: CommandLine, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SystemExit):
        passk.fit([stage("a", **{"advantage": NOISY, **changes})])
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("passk: error: ")
    assert re.search(message, said), said


def test_an_objective_that_stages_share_keeps_its_k_in_the_others() -> None:
    shared = PassK(k=4)
    ramp = Knobs(k=Ramp(first=4, last=1, end=3))
    schedule = StageSchedule((Stage("anneal", shared, Steps(4), knobs=ramp), Stage("after", shared, Steps(1))))
    schedule.stages[0].advantage.set_k(1)
    assert (shared.k, schedule.stages[1].advantage.k) == (1, 4)  # type: ignore[attr-defined]
