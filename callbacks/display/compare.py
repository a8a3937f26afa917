"""Compares runs in one table and one plot, with means and bands over seeds.

    passk compare RUN RUN... [--out FOLDER]

A RUN is a run folder. Runs whose configurations differ only in the seed are one line.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml
from matplotlib import rc_context
from matplotlib.figure import Figure

from app.storage.files import described, replacing
from app.storage.run_folder import CONFIG
from callbacks.display.hyperparameters import flattened
from callbacks.evaluation.tables import columns, form_of, natural

SEEDS = ("seed_everything", "rollout.seed")
"""Arguments in which the runs of one line may differ."""
RESULTS, TABLE, FIGURE = "results.jsonl", "comparison.md", "comparison.png"


@dataclass(frozen=True)
class Line:
    """The runs of one configuration.

    Args:
        name: the arguments in which it differs from the others.
        histories: for each run its validations, the oldest first.
    """

    name: str
    histories: list[list[dict[str, Any]]]

    @property
    def last(self) -> list[dict[str, Any]]:
        """The last validation of each run."""
        return [history[-1] for history in self.histories]

    def curve(self, figure: str) -> dict[int, list[float]]:
        """The values of a metric in all runs, by iteration; only iterations at which every run has it."""
        by_run = [{each["iteration"]: each[figure] for each in history if figure in each} for history in self.histories]
        shared = set.intersection(*map(set, by_run))
        return {iteration: [run[iteration] for run in by_run] for iteration in sorted(shared)}


def lines_of(runs: Sequence[Path]) -> list[Line]:
    """Group runs by configuration, in order; ValueError for a folder without a run, or given twice."""
    groups: dict[str, list[Path]] = {}
    configs: dict[str, dict[str, Any]] = {}
    for place, run in enumerate(runs):
        if run.resolve() in [each.resolve() for each in runs[:place]]:
            raise ValueError(f"{run} is given twice")
        config = {name: value for name, value in _config(run).items() if name not in SEEDS}
        key = json.dumps(config, sort_keys=True)
        groups.setdefault(key, []).append(run)
        configs[key] = config
    names = names_of([*configs.values()])
    return [Line(name, [*map(_history, group)]) for name, group in zip(names, groups.values(), strict=True)]


def names_of(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Up to four values in which each configuration differs from the others, as `name=value`."""
    every = dict.fromkeys(name for config in configs for name in config)
    differing = [name for name in every if len({json.dumps(config.get(name)) for config in configs}) > 1]
    names = []
    for number, config in enumerate(configs, start=1):
        own = [f"{name.rpartition('.')[2]}={config[name]}" for name in differing if name in config]
        more = f", and {len(own) - 4} more" * (len(own) > 4)
        names.append(
            f"{number}: {', '.join(own[:4])}{more}" if own else f"{number}" if len(configs) > 1 else "all runs"
        )
    return names


def table(lines: Sequence[Line]) -> str:
    """A Markdown table of the last validations: mean and standard deviation over seeds."""
    names = [
        name
        for name in columns(lines[0].last[0])
        if all(f"eval/{name}" in each for line in lines for each in line.last)
    ]
    head = ["runs", "seeds", "iteration", *(name.replace("pass", "Pass") for name in names)]
    rows = []
    for line in lines:
        iterations = sorted({str(each["iteration"]) for each in line.last}, key=natural)
        cells = [_cell(name, [each[f"eval/{name}"] for each in line.last]) for name in names]
        rows.append([line.name.replace("|", "\\|"), str(len(line.histories)), ", ".join(iterations), *cells])
    told = "Last validation of each run, shares in per cent; ±: standard deviation over seeds."
    return "\n".join([*(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)), "", told, ""])


def figure(lines: Sequence[Line]) -> Figure:
    """Plot Pass@1 and Pass@k of the largest common k: the mean, and a band from minimum to maximum."""
    ks = [{name for name in columns(line.last[0]) if name.startswith("pass@")} for line in lines]
    shared = sorted(set.intersection(*ks), key=natural)
    if not shared:
        raise ValueError("the runs have no Pass@k in common")
    with rc_context({"text.parse_math": False}):
        drawn = Figure(figsize=(11, 4.2), layout="constrained")
        panels = drawn.subplots(1, len({shared[0], shared[-1]}), squeeze=False)[0]
        for axes, name in zip(panels, dict.fromkeys((shared[0], shared[-1])), strict=True):
            for line in lines:
                curve = line.curve(f"eval/{name}")
                (shown,) = axes.plot(
                    curve.keys(), [fmean(each) for each in curve.values()], marker=".", label=line.name
                )
                low, high = ([end(each) for each in curve.values()] for end in (min, max))
                axes.fill_between([*curve], low, high, color=shown.get_color(), alpha=0.15, linewidth=0)
            axes.set(xlabel="iteration", ylabel=name.replace("pass", "Pass"), ylim=(0, 1))
            axes.grid(alpha=0.3)
        drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", fontsize="small")
    return drawn


def compare(runs: Sequence[Path], out: Path) -> str:
    """Write `comparison.md` and `comparison.png` into a folder.  -> the table

    Raises:
        ValueError: for a folder without a run, a run without a validation, or one whose files are damaged.
    """
    lines = lines_of(runs)
    told, drawn = table(lines), figure(lines)
    with replacing(out / TABLE) as temporary:
        temporary.write_text(told, encoding="utf-8")
    with replacing(out / FIGURE) as temporary:
        drawn.savefig(temporary, format="png", dpi=130)
    return told


def _config(run: Path) -> dict[str, Any]:
    path = run / CONFIG
    if not path.is_file():
        raise ValueError(f"{run} is no run's folder: it has no {CONFIG}")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeError):
        config = None
    if not isinstance(config, dict):
        raise ValueError(f"{path} is damaged: it is no configuration of a run")
    return dict(flattened(config))


def _history(run: Path) -> list[dict[str, Any]]:
    """The validations of a run, the oldest first; ValueError if there is none, or a line of the file is damaged."""
    path = run / RESULTS
    text = path.read_bytes() if path.is_file() else b""
    lines = text[: text.rfind(b"\n") + 1].splitlines()  # without one that is being written
    if not lines:
        raise ValueError(f"{run} has no validation yet")
    rows = [*map(_validation, lines)]
    if None in rows:
        raise ValueError(f"{path}, line {rows.index(None) + 1}, is damaged: it is no validation of a run")
    return [row for row in rows if row is not None]


def _validation(line: bytes) -> dict[str, Any] | None:
    """A line of results without missing values; None if it is damaged."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or type(row.get("iteration")) is not int:
        return None
    found = {name: value for name, value in row.items() if value is not None}
    figures = [value for name, value in found.items() if name.startswith("eval/")]
    return found if all(isinstance(value, int | float) and isfinite(value) for value in figures) else None


def _cell(name: str, values: Sequence[float]) -> str:
    scale, form = form_of(name)
    mean = f"{scale * fmean(values):{form}}"
    return f"{mean} ± {scale * stdev(values):{form}}" if len(values) > 1 else mean


def main(args: Sequence[str] | None = None) -> int:
    """Run the command.  -> its exit status"""
    parser = ArgumentParser(
        "passk compare", description="Write one table and one figure of several runs, grouped over seeds."
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("--out", type=Path, default=Path(), help=f"folder for {TABLE} and {FIGURE}, default: this one")
    given = parser.parse_args(args)
    try:
        print(compare(given.runs, given.out))
    except ValueError as error:
        print(f"passk: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"passk: error: {described(error)}", file=sys.stderr)
        return 2
    print(f"{given.out / TABLE}, {given.out / FIGURE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
