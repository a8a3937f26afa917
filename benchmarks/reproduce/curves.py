"""Saves the measurements of a claim's runs as a CSV of some kB: a line for each validation of an arm and seed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

from benchmarks.reproduce.claim import FOLDER, Claim
from benchmarks.reproduce.runs import Run, runs_of

RESULTS = FOLDER / "results"
EVALUATED = ("eval/pass@1", "eval/pass@8", "eval/pass@32", "eval/greedy", "eval/entropy", "eval/distinct_wrong")
"""Metrics of held-out problems, at the validation."""
TRAINED = ("rollout/reward", "rollout/solved", "rollout/informative")
"""Metrics of training, as means over the iterations since the validation before."""
MEASURED = ("objectives/", "interference/")
"""Prefixes of further metrics, from the callbacks of a setting."""
KEYS = ("arm", "seed", "stage", "iteration", "trained", "cpu_s")

Row: TypeAlias = dict[str, float]
Curves: TypeAlias = dict[str, dict[int, list[Row]]]
"""The validations in order, by arm and seed. A row has "iteration", "trained" (0 in the cold start, 1 after it) and
metrics by their logged names; the last row of each stage also has the "cpu_s" of its run."""


def collect(claim: Claim, root: Path, folder: Path = RESULTS) -> Path:
    """Write the CSV of the arms and seeds whose runs are all complete."""
    rows: list[dict[str, Any]] = []
    for seed in claim.seeds:
        for arm, runs in runs_of(claim, seed, root).items():
            if all(run.record["done"] for run in runs):
                rows += [{"arm": arm, "seed": seed, **row} for run in runs for row in validations(run)]
    figures = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in KEYS]
    path = folder / f"{claim.name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*KEYS, *figures], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def validations(run: Run) -> Iterator[dict[str, Any]]:
    """A row for each validation of a run, including those of the runs before it."""
    since = sum(stage.steps for stage in run.stages[:-1])
    records = [json.loads(line) for line in (run.folder / "results.jsonl").read_text().splitlines()]
    records = [record for record in records if record["iteration"] > since]
    with (run.folder / "metrics.csv").open(newline="") as file:
        logged = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    for record in records:
        own = [row for row in logged if since < row.get("step", -1.0) <= record["iteration"]]
        means = {name: mean for name in names(own) if (mean := mean_of(own, name)) is not None}
        since = record["iteration"]
        yield {
            "stage": run.stages[-1].name,
            "iteration": record["iteration"],
            "trained": int(not run.stages[-1].imitates),
            "cpu_s": run.record["cpu_s"] if record is records[-1] else "",
            **{name: short(record[name]) for name in EVALUATED if record.get(name) is not None},
            **{name: short(value) for name, value in means.items()},
        }


def names(rows: Sequence[Row]) -> list[str]:
    """The names of the metrics that are means over training."""
    found = dict.fromkeys(name for row in rows for name in row)
    return [name for name in found if name in TRAINED or name.startswith(MEASURED)]


def mean_of(rows: Sequence[Row], name: str) -> float | None:
    """The mean over the iterations that have the metric; None if none has."""
    values = [row[name] for row in rows if name in row]
    return fmean(values) if values else None


def short(value: float) -> str:
    """The value with four decimals: the pass rate of 1,000 problems with 32 answers each is less precise."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def read(claim: Claim, folder: Path = RESULTS) -> Curves:
    """Read the claim's curves; arms without runs are empty. ValueError with the line for a damaged file."""
    curves: Curves = {arm: {} for arm in claim.arms}
    path = folder / f"{claim.name}.csv"
    if path.exists():
        with path.open(newline="") as file:
            lines = csv.DictReader(file, strict=True)
            try:
                for row in lines:
                    arm, seed, values = parsed(row)
                    curves[arm].setdefault(seed, []).append(values)
            except (ValueError, KeyError, TypeError, csv.Error) as error:
                raise ValueError(f"{path}, line {lines.line_num}, can't be read: {error}") from error
    return curves


def parsed(row: dict[str, Any]) -> tuple[str, int, Row]:
    """The arm, the seed and the values of a line."""
    if None in row or None in row.values():
        raise ValueError("it has another number of cells than the head")
    arm, seed, _ = (row.pop(name) for name in ("arm", "seed", "stage"))
    values = {name: float(value) for name, value in row.items() if value}
    if not {"iteration", "trained"} <= values.keys():
        raise ValueError("iteration or trained is missing")
    return arm, int(seed), values


def cpu_hours(claim: Claim, curves: Mapping[str, Mapping[int, Sequence[Row]]]) -> float:
    """CPU hours of all runs; runs that arms share count once."""
    runs: dict[tuple[Any, ...], float] = {}
    for arm, seeds in curves.items():
        for seed, rows in seeds.items():
            ends = [row["cpu_s"] for row in rows if "cpu_s" in row]
            stages = claim.arms[arm]
            runs |= {(seed, *stages[: index + 1]): end for index, end in enumerate(ends)}
    return sum(runs.values()) / 3600
