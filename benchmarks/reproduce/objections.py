"""Two objections to Pass@k training, and what each objective spends its gradient on, from what the runs measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from benchmarks.reproduce.curves import Curves, Row
from benchmarks.reproduce.markdown import shown, table
from benchmarks.reproduce.verdicts import Estimate, estimate

ARMS = ("Pass@1", "Pass@8")
QUARTERS = ("0-25", "25-50", "50-75", "75-100")
GROUPS = ("0", *QUARTERS)

REWEIGHTED = """\
## Objection 1: a reweighted gradient that vanishes (2511.16231)

The gradient of Pass@k is that of Pass@1 with each problem weighed anew, by k (1 - p)^(k-1); so it must vanish where a
policy should still learn. For one problem this is so by definition. For a batch of problems the sum need not point the
same way. `callbacks.display.objectives.Objectives` computes both gradients on the same rollouts, of the loss that is
trained, every 20 iterations: the cosine of Pass@8's with Pass@1's, the ratio of their norms, and the share of the
problems with passes and failures that have no advantage at all (the dead zone, fewer than k failures).
"""
INTERFERENCE = """\
## Objection 2: interference between problems (2602.21189)

Hard problems that are weighed up may cost others, so that Pass@k training lowers Pass@1. Measured is the mean change of
the pass rates of held-out mazes from one validation to the next, over all of training after the cold start, by the pass
rate before (`callbacks.display.interference.Interference`), in points. A rate before is that of one half of the answers
and a change that of the other, so that luck before is no fall after.
"""
SPENDING = """\
## What each objective spends its gradient on

In expectation a problem passed with probability p adds w(p) times the gradient of p. For many rollouts, w(p) =
(1 - p)^(k-1) / sqrt(q (1 - q)) with q = 1 - (1 - p)^k ([objectives](advantages.md)): for k = 1 it is symmetric about
p = 1/2, for larger k it leans to hard problems. With N rollouts a problem with fewer than k failures has advantages of
zero (Section 2.4): for N = 32 and k = 8 from 25 passes on. Below is the share of the sum of absolute advantages (eta,
Eq. 16) that goes to problems by their pass rate in the batch, for both objectives on the same rollouts, in per cent.
"""


def objections(curves: Curves) -> str:
    """Three sections; empty before the arms of both objectives have been run."""
    if not all(curves[arm] for arm in ARMS):
        return ""
    return "\n".join(
        [
            f"{REWEIGHTED}\n{gradients(curves)}\n![cosine and dead zone](reproduction/objections.svg)\n",
            f"{INTERFERENCE}\n{interference(curves)}",
            f"{SPENDING}\n{spending(curves)}",
        ]
    )


def gradients(curves: Curves) -> str:
    """A row for each part of training of each arm."""
    figures = {"pass@8/cosine": 1, "pass@8/norm_ratio": 1, "pass@1/dead": 100, "pass@8/dead": 100}
    rows = [
        [arm, part, *(shown(over_seeds(rows, f"objectives/{name}"), scale) for name, scale in figures.items())]
        for arm in ARMS
        for part, rows in parts(curves[arm]).items()
    ]
    head = ["trained", "iterations", "cosine", "norms' ratio", "dead under Pass@1 (%)", "dead under Pass@8 (%)"]
    return table(head, rows)


def interference(curves: Curves) -> str:
    """The changes of each arm by the rate before."""
    rows = [
        [arm, part, *(shown(over_seeds(rows, f"interference/{group}/change"), 100, 1) for group in GROUPS)]
        for arm in ARMS
        for part, rows in parts(curves[arm]).items()
    ]
    return table(["trained", "iterations", *(f"{group} %" for group in GROUPS)], rows)


def spending(curves: Curves) -> str:
    """The shares of both objectives on the rollouts of each arm."""
    rows = [
        [arm, part, f"Pass@{k}", *(shown(over_seeds(rows, f"{name}/{each}"), 100, 0) for each in QUARTERS)]
        for arm in ARMS
        for part, rows in parts(curves[arm]).items()
        for k, name in ((k, f"objectives/pass@{k}/share") for k in (1, 8))
    ]
    return table(["trained", "iterations", "objective", *(f"{each} %" for each in QUARTERS)], rows)


def parts(arm: Mapping[int, Sequence[Row]]) -> dict[str, list[list[Row]]]:
    """Of each seed, the rows up to the first validation after the cold start, and those after it."""
    trained = [[row for row in rows if row["trained"]] for rows in arm.values()]
    begin = min(row["iteration"] for rows in arm.values() for row in rows if not row["trained"] and "cpu_s" in row)
    first, last = trained[0][0]["iteration"] - begin, trained[0][-1]["iteration"] - begin
    names = f"1 to {first:.0f}", f"{first + 1:.0f} to {last:.0f}"
    return {names[0]: [rows[:1] for rows in trained], names[1]: [rows[1:] for rows in trained]}


def over_seeds(rows: Sequence[Sequence[Row]], name: str) -> Estimate | None:
    """Of the means of each seed's rows that have the figure; None where no seed has any."""
    values = [[row[name] for row in of_seed if name in row] for of_seed in rows]
    means = [fmean(each) for each in values if each]
    return estimate(means) if means else None
