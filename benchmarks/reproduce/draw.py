"""Plots of a claim: metrics over iterations, the mean of each arm over seeds with its interval as a band."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reproduce.curves import Curves
from benchmarks.reproduce.verdicts import Estimate, estimate

PANELS = {
    "eval/pass@1": "Pass@1",
    "eval/pass@8": "Pass@8",
    "eval/entropy": "entropy (nats)",
    "eval/distinct_wrong": "distinct wrong answers",
}
ENDS = ("low", "high")
DASHES = ("-", "--")
"""Of the first ten lines and of the others: there are ten colors."""
OBJECTIONS = {
    "objectives/pass@8/cosine": "cosine of both gradients",
    "objectives/pass@8/norm_ratio": "norm, Pass@8's / Pass@1's",
    "objectives/pass@8/dead": "dead zone under Pass@8",
    "interference/75-100/change": "change of rates above 75 %",
}
SPENDING = {
    f"objectives/pass@{k}/share/{rates}": f"Pass@{k}'s share of rates {named}"
    for rates, named in (("0-25", "to 25 %"), ("75-100", "above 75 %"))
    for k in (1, 8)
}


def draw(curves: Curves, panels: Mapping[str, str], path: Path) -> None:
    """Write a plot as reproducible SVG, if any arm has runs."""
    if not any(curves.values()):
        return
    path.parent.mkdir(exist_ok=True)
    with rc_context({"svg.hashsalt": "passk", "svg.fonttype": "none", "text.parse_math": False}):
        figure_of(curves, panels).savefig(path, metadata={"Date": None})


def figure_of(curves: Curves, panels: Mapping[str, str]) -> Figure:
    """A panel for each metric, a line for each arm."""
    figure = Figure(figsize=(12.5, 3.6), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for index, arm in enumerate(curves):
            draw_line(axes, over_seeds(curves, arm, name), arm, f"C{index}", DASHES[index // 10])
        axes.set(title=title, xlabel="iteration, with the cold start")
        axes.grid(alpha=0.3)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def draw_line(axes: Axes, line: dict[int, Estimate], arm: str, color: str, dashes: str) -> None:
    """Plot means, and their intervals if there is more than one seed."""
    if line:
        means = [each.mean for each in line.values()]
        axes.plot([*line], means, dashes, label=arm, marker=".", markersize=3, color=color)
        low, high = ([end for each in line.values() if (end := getattr(each, name)) is not None] for name in ENDS)
        if len(low) == len(line):
            axes.fill_between([*line], low, high, color=color, alpha=0.15, linewidth=0)


def over_seeds(curves: Curves, arm: str, name: str) -> dict[int, Estimate]:
    """The metric's estimate over seeds, by iteration from the end of the cold start on."""
    values: dict[int, list[float]] = {}
    for rows in curves[arm].values():
        cold = max((row["iteration"] for row in rows if not row["trained"]), default=0.0)
        for row in rows:
            if row["iteration"] >= cold and name in row:
                values.setdefault(int(row["iteration"]), []).append(row[name])
    return {iteration: estimate(each) for iteration, each in sorted(values.items())}
