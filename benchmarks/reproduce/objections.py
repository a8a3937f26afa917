"""Tests two objections to Pass@k training with the runs' measurements, and shows the objectives' advantages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TypeAlias

from benchmarks.reproduce.curves import Curves, Row
from benchmarks.reproduce.markdown import shown, table
from benchmarks.reproduce.verdicts import Estimate, decide, estimate

ARMS = ("Pass@1", "Pass@8")
QUARTERS = ("0-25", "25-50", "50-75", "75-100")
GROUPS = ("0", *QUARTERS)

REWEIGHTED = """\
## Objection 1: a reweighted gradient that vanishes (2511.16231)

The objection: the gradient of Pass@k is that of Pass@1 with each problem weighted by k (1 - p)^(k-1), and vanishes
where a policy should still learn. For one problem this is true by definition; the direction of the sum over a batch may
differ. Every 20 iterations `callbacks.display.objectives.Objectives` computes both gradients of the training loss on
the same rollouts. It logs the cosine between Pass@8's and Pass@1's, the ratio of Pass@8's norm to Pass@1's, and the
dead zone: among the problems with passes and failures, the share with zero advantages (under Pass@8, those with fewer
than 8 failures). Both gradients have the advantages that are trained, which are divided by a standard deviation: Pass@1
is GRPO's objective, and the ratio of norms includes sigma (Eq. 12). A rollout has the same sign in both: the sampling
noise that the gradients share makes the cosine positive, even if the expected gradients are orthogonal. Where one of
both is zero, neither cosine nor ratio is logged. "At the end" is the mean since the validation before the last.
"""
INTERFERENCE = """\
## Objection 2: interference between problems (2602.21189)

The objection: more weight on hard problems may harm others, so that Pass@k training lowers Pass@1. Below is the mean
change of the pass rates of held-out mazes from one validation to the next, in percentage points, by the earlier rate
(`callbacks.display.interference.Interference`). The earlier rate comes from one half of the answers and the change from
the other half, so that regression to the mean does not count as a change. Falls in the first table are fractions: 0.078
is 7.8 points, and a negative fall is a rise. The fall of Pass@1 is from the cold start; whether Pass@8 training ends
with less Pass@1 than Pass@1 training at equal rollouts is the fourth statement of `stages`. Validations count alike,
however few mazes a group has, and intervals are over the seeds that have a maze in it.
"""
SPENDING = """\
## How each objective divides its gradient among problems

In expectation a problem passed with probability p contributes w(p) times the gradient of p. For many rollouts, w(p) =
(1 - p)^(k-1) / sqrt(q (1 - q)) with q = 1 - (1 - p)^k ([advantages.md](advantages.md)): for k = 1 it is symmetric about
p = 1/2, for larger k hard problems weigh more. With N rollouts a problem with fewer than k failures has zero advantages
(Section 2.4): for N = 32 and k = 8, from 25 passes on.

![w(p) of several objectives](advantages/weights.svg)

Below is how the sum of absolute advantages (eta, Eq. 16) is divided among problems by their pass rate in the batch, for
both objectives on the same rollouts, in per cent. A batch whose advantages are all zero counts as 0 in each column, so
that a row may have less than 100 in all.
"""


def objections(curves: Curves) -> str:
    """Three sections; "" if an arm of the two objectives has no runs."""
    if not all(curves[arm] for arm in ARMS):
        return ""
    return "\n".join(
        [
            f"{REWEIGHTED}\n{found(reweighted(curves))}\n{gradients(curves)}",
            "![cosine, norms, dead zone, change of easy problems](reproduction/objections.svg)\n",
            f"{INTERFERENCE}\n{found(interfered(curves))}\n{interference(curves)}",
            f"{SPENDING}\n{spending(curves)}",
            "![shares of rare and of easy problems](reproduction/spending.svg)\n",
        ]
    )


Finding: TypeAlias = tuple[str, list[float], float]
"""A statement, its number for each seed, and the bound that the number must exceed."""


def reweighted(curves: Curves) -> list[Finding]:
    """Statements that the first objection implies."""
    first, later = parts(curves["Pass@8"]).values()
    ratio = "objectives/pass@8/norm_ratio"
    shrinks = [one - other for one, other in zip(means(first, ratio), means(later, ratio), strict=True)]
    cosine = means(after_cold(curves["Pass@8"]), "objectives/pass@8/cosine")
    dead = means([rows[-1:] for rows in after_cold(curves["Pass@1"])], "objectives/pass@8/dead")
    return [
        ("In Pass@8 training both gradients point the same way: their cosine", cosine, 0.9),
        ("In Pass@8 training its gradient shrinks relative to Pass@1's: fall of the ratio of norms", shrinks, 0.0),
        ("At the end of Pass@1 training most problems are in Pass@8's dead zone: their share", dead, 0.5),
    ]


def interfered(curves: Curves) -> list[Finding]:
    """Statements that the second objection implies."""
    ends = {seed: rows[-1]["eval/pass@1"] for seed, rows in curves["Pass@8"].items()}
    cold = {seed: [row for row in rows if not row["trained"]][-1] for seed, rows in curves["Pass@8"].items()}
    lost = [cold[seed]["eval/pass@1"] - end for seed, end in ends.items()]
    easy = "interference/75-100/change"
    falls = {arm: [-each for each in means(after_cold(curves[arm]), easy)] for arm in ARMS}
    cosine = means(after_cold(curves["Pass@8"]), "objectives/pass@8/cosine")
    return [
        ("In Pass@8 training a small step along its gradient also raises Pass@1: their cosine", cosine, 0.0),
        ("Pass@8 training lowers Pass@1: fall from the cold start to the end", lost, 0.0),
        ("Pass@8 training lowers pass rates above 75 %: mean fall between validations", falls["Pass@8"], 0.0),
        ("Pass@1 training lowers pass rates above 75 %: mean fall between validations", falls["Pass@1"], 0.0),
    ]


def found(findings: Sequence[Finding]) -> str:
    """A table of statements with their numbers and verdicts."""
    rows = [
        [says, shown(value, places=3), f"> {bound:g}", f"**{decide(value, bound)}**"]
        for says, numbers, bound in findings
        for value in ([estimate(numbers)] if numbers else [])
    ]
    return table(["statement", "value", "bound", "verdict"], rows)


def gradients(curves: Curves) -> str:
    """A table of gradients with a row for each part of training of each arm."""
    figures = {"pass@8/cosine": 1, "pass@8/norm_ratio": 1, "pass@1/dead": 100, "pass@8/dead": 100}
    rows = [
        [arm, part, *(shown(over_seeds(rows, f"objectives/{name}"), scale) for name, scale in figures.items())]
        for arm in ARMS
        for part, rows in parts(curves[arm]).items()
    ]
    head = ["trained", "iterations", "cosine", "ratio of norms", "dead under Pass@1 (%)", "dead under Pass@8 (%)"]
    return table(head, rows)


def interference(curves: Curves) -> str:
    """A table of the changes of pass rates in each arm, by the rate before."""
    rows = [
        [arm, part, *(shown(over_seeds(rows, f"interference/{group}/change"), 100, 1) for group in GROUPS)]
        for arm in ARMS
        for part, rows in parts(curves[arm]).items()
    ]
    return table(["trained", "iterations", *(f"{group} %" for group in GROUPS)], rows)


def spending(curves: Curves) -> str:
    """A table of both objectives' shares on the rollouts of each arm."""
    rows = [
        [arm, part, f"Pass@{k}", *(shown(over_seeds(rows, f"{name}/{each}"), 100, 0) for each in QUARTERS)]
        for arm in ARMS
        for part, rows in parts(curves[arm]).items()
        for k, name in ((k, f"objectives/pass@{k}/share") for k in (1, 8))
    ]
    return table(["trained", "iterations", "objective", *(f"{each} %" for each in QUARTERS)], rows)


def parts(arm: Mapping[int, Sequence[Row]]) -> dict[str, list[list[Row]]]:
    """For each seed the rows up to the first validation after the cold start, and those after it."""
    trained = after_cold(arm)
    cold = max(row["iteration"] for rows in arm.values() for row in rows if not row["trained"])
    first, last = trained[0][0]["iteration"] - cold, trained[0][-1]["iteration"] - cold
    names = f"1 to {first:.0f}", f"{first + 1:.0f} to {last:.0f}"
    return {names[0]: [rows[:1] for rows in trained], names[1]: [rows[1:] for rows in trained]}


def after_cold(arm: Mapping[int, Sequence[Row]]) -> list[list[Row]]:
    """For each seed the rows after the cold start."""
    return [[row for row in rows if row["trained"]] for rows in arm.values()]


def means(rows: Sequence[Sequence[Row]], name: str) -> list[float]:
    """The mean of the metric over each seed's rows; seeds without it are left out."""
    values = [[row[name] for row in of_seed if name in row] for of_seed in rows]
    return [fmean(each) for each in values if each]


def over_seeds(rows: Sequence[Sequence[Row]], name: str) -> Estimate | None:
    """The estimate over the means of the seeds; None if no seed has the metric."""
    values = means(rows, name)
    return estimate(values) if values else None
