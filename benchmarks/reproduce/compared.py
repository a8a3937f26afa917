"""Writes docs/comparisons.md: the metrics of each arm, and its differences from the first arm."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from benchmarks.reproduce.claim import Claim
from benchmarks.reproduce.comparisons import COMPARISONS
from benchmarks.reproduce.curves import RESULTS, Curves, Row, cpu_hours, read
from benchmarks.reproduce.markdown import shown, table
from benchmarks.reproduce.verdicts import Estimate, estimate

COMPARED = {"eval/pass@1": "Pass@1", "eval/pass@8": "Pass@8"}
"""Metrics whose differences are shown."""
ALONE = {"eval/pass@32": ("Pass@32", 100, 1), "eval/greedy": ("greedy", 100, 1), "eval/entropy": ("entropy", 1, 3)}
"""Other metrics: name, scale, decimals."""
INTRODUCTION = """\
# Objectives, samplers and replay compared

What passk offers beyond the paper, trained side by side in the setting of [reproduction.md](reproduction.md): a policy
of 170,000 parameters, 7 x 7 mazes, a cold start of 125 iterations, then 475 iterations of 16 problems with 32 rollouts,
1,000 held-out mazes with 32 answers each; `smollm2` and `smollm2_draws` have settings of their own, given in their
sections. All arms of a seed start from the same cold start. k is 8, and the learning rate is the same for all arms.
Other arguments are the defaults, but for the target of `Curriculum`, which falls from 0.8 to 0.3 over all iterations.
None was tuned: an arm might do better with other values. `PKPO` is `PKPOLeaveOneOutMinusOne`; `SimKO` is a loss, with
the advantages of Pass@1. Arms and seeds were committed before the runs, in
[comparisons.py](../benchmarks/reproduce/comparisons.py) or, for the arms of a claim, with that claim: five seeds for
`objectives` and `draws`, three for the other two; the column `seeds` has the number run. Arms that the claim `stages`
also has are other runs of the same seeds ([reproduction.md](reproduction.md)).

Figures are means over seeds at the end of training, in per cent (entropy in nats), with 95 % intervals by Student's t.
Differences are from the first arm, paired by seed, over the seeds that both have, in points; **bold** if the interval,
before rounding, excludes 0, without a correction for the number of comparisons: of 20 equal arms one would be bold by
chance. Bold and minus is less than the first arm. What an interval covers: [reproduction.md](reproduction.md). `python
-m benchmarks.reproduce NAME` trains a comparison's arms.
"""


def comparison_page(folder: Path = RESULTS) -> str:
    """The whole page, from the CSV files of a folder."""
    return "\n".join([INTRODUCTION, *(compared(claim, read(claim, folder)) for claim in COMPARISONS)])


def compared(claim: Claim, curves: Curves) -> str:
    """The section of a comparison: table, picture and cost."""
    command = f"`python -m benchmarks.reproduce {claim.name}`"
    heading = f"## {claim.name}: {claim.title}\n"
    trained = {arm: ends(seeds) for arm, seeds in curves.items() if seeds}
    reference = next(iter(claim.arms))
    if reference not in trained:
        return f"{heading}\nNot run yet: {len(claim.seeds)} seeds, {claim.iterations:,} iterations. {command}\n"
    others = {name: how for name, how in ALONE.items() if name in next(iter(trained[reference].values()))}
    head = ["trained with", "seeds"]
    for name in COMPARED.values():
        head += [name, f"{name}: difference"]
    rows = [
        [arm, str(len(seeds)), *differences(seeds, trained[reference], arm == reference), *alone(seeds, others)]
        for arm, seeds in trained.items()
    ]
    missing = [arm for arm in claim.arms if arm not in trained]
    untrained = f"Not run yet: {', '.join(missing)}. " if missing else ""
    picture = f"![{claim.title}](reproduction/{claim.name}.svg)\n"
    cost = fill(
        f"{untrained}{cpu_hours(claim, curves):.1f} CPU hours, runs shared with claims included. {command}", 120
    )
    note = [f"{fill(claim.note, 120)}\n"] if claim.note else []
    return "\n".join(
        [heading, *note, table([*head, *(name for name, *_ in others.values())], rows), picture, f"{cost}\n"]
    )


def ends(seeds: dict[int, list[Row]]) -> dict[int, Row]:
    """The last validation of each seed."""
    return {seed: rows[-1] for seed, rows in seeds.items()}


def differences(arm: dict[int, Row], reference: dict[int, Row], itself: bool) -> list[str]:
    """For each metric the arm's mean and its difference from the reference."""
    cells: list[str] = []
    for name in COMPARED:
        cells.append(shown(over(arm, name), 100, 1))
        both = sorted(arm.keys() & reference.keys())
        paired = estimate([arm[seed][name] - reference[seed][name] for seed in both]) if both and not itself else None
        cells.append(f"**{shown(paired, 100, 1)}**" if decided(paired) else shown(paired, 100, 1))
    return cells


def alone(arm: dict[int, Row], metrics: dict[str, tuple[str, int, int]]) -> list[str]:
    """The means of the other metrics."""
    return [f"{scale * over(arm, name).mean:.{places}f}" for name, (_, scale, places) in metrics.items()]


def over(arm: dict[int, Row], name: str) -> Estimate:
    return estimate([row[name] for row in arm.values()])


def decided(value: Estimate | None) -> bool:
    """Whether its interval excludes 0."""
    return value is not None and value.low is not None and value.high is not None and not value.low <= 0 <= value.high
