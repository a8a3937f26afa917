"""Comparisons of methods that passk has beyond the paper. No claim of the paper is decided here.

The other arms of a comparison are compared with its first arm, by metrics of the last validation, with equal numbers
of rollouts and the same seeds. Arms, lengths, arguments and seeds were committed before the runs. No argument was
tuned: each is its class's default, except Curriculum's target, which is stretched over the whole run; k is 8 as in the
claims. The learning rate is that of the claims for all arms; Adam divides by the size of the gradients, so that
estimators of another scale make steps of the same size.
"""

from __future__ import annotations

from typing import Any

from benchmarks.reproduce.claim import Arm, Claim, Stage
from benchmarks.reproduce.claims import (
    COLD,
    CORE,
    DESIGNS,
    FIRST,
    PASS_1,
    PASS_8,
    RATE,
    SECOND,
    K,
    advantage,
    alone,
    begin,
    end,
    linear,
)

SEEDS = (1, 2, 3, 4, 5)


def annealed(name: str, first: float, last: float) -> Arm:
    """Pass@k in one stage of the same total length, with k going from `first` to `last`."""
    steps = FIRST + SECOND
    knobs = {"k": {"class_path": "app.knobs.Ramp", "init_args": {"first": first, "last": last, "end": steps}}}
    rate = linear(peak=RATE, warmup=5, start=FIRST + SECOND * 3 // 4, end=steps)
    return (COLD, Stage(name, PASS_8, steps, {"learning_rate": rate, "reset_optimizer": True, "knobs": knobs}))


def drawn(name: str, **overlay: Any) -> Arm:
    """Pass@8 training with another sampler of problems, or with replay."""
    return alone(name, PASS_8, **overlay)


def sampler(name: str, **arguments: Any) -> dict[str, Any]:
    return {"sampler": {"class_path": f"app.draw.{name}", "init_args": arguments}}


def replay(kind: str, name: str) -> dict[str, Any]:
    return {kind: {"class_path": f"app.replay.{name}"}}


OBJECTIVES = Claim(
    "objectives",
    "Objectives",
    {
        "Pass@1": CORE["Pass@1"],
        "Pass@8": CORE["Pass@8"],
        "Pass@8, then Pass@1": CORE["Pass@8, then Pass@1"],
        "Pass@k, k from 8 to 1": annealed("annealed", 8, 1),
        "Pass@4": K.arms["Pass@4"],
        "Pass@16": K.arms["Pass@16"],
        **{arm: DESIGNS.arms[arm] for arm in DESIGNS.arms if arm not in CORE},
        "PKPO": alone("pkpo", advantage("PKPOLeaveOneOutMinusOne", k=8)),
        "MaxRL": alone("maxrl", advantage("MaxRL")),
        "F-GRPO": alone("f-grpo", advantage("FGRPO")),
        "RS-GRPO": alone("rs-grpo", advantage("RSGRPO")),
        "QAE": alone("qae", advantage("QAE")),
        "CurveRL": alone("curverl", advantage("CurveRL")),
        "SimKO": alone("simko", PASS_1, model={"loss": {"class_path": "app.losses.SimKO"}}),
    },
    (),
    SEEDS,
)

RAMP = {"class_path": "app.knobs.Ramp", "init_args": {"first": 0.8, "last": 0.3, "start": COLD.steps,
                                                      "end": COLD.steps + FIRST + SECOND}}  # fmt: skip
DRAWS = Claim(
    "draws",
    "Samplers and replay, in Pass@8 training on 1,000 mazes",
    {
        "uniform": drawn("pass@8"),
        "ByPassRate": drawn("by-pass-rate", draw=sampler("ByPassRate", by="informative")),
        "Pools": drawn("pools", draw=sampler("Pools")),
        "Curriculum": drawn("curriculum", draw=sampler("Curriculum", target=RAMP)),
        "GroupReplay": drawn("group-replay", replay=replay("groups", "GroupReplay")),
        "PrefixReplay": drawn("prefix-replay", replay=replay("prefixes", "PrefixReplay")),
    },
    (),
    SEEDS,
    "mazes_again.yaml",
)

PASS_4 = advantage("PassK", k=4)
REAL = {
    name: (begin(name, objective, 2.0e-5, 16), end(name, objective, 2.0e-5, 12))
    for name, objective in (
        ("pass@1", PASS_1),
        ("pass@4", PASS_4),
        ("adaptive", advantage("Adaptive", explore=PASS_4)),
        ("combination", advantage("Combination", many=PASS_4)),
    )
}
SMOLLM2 = Claim(
    "smollm2",
    "SmolLM2-135M-Instruct on four levels of arithmetic",
    {
        "Pass@1": REAL["pass@1"],
        "Pass@4": REAL["pass@4"],
        "Pass@4, then Pass@1": (REAL["pass@4"][0], REAL["pass@1"][1]),
        "Adaptive": REAL["adaptive"],
        "Combination": REAL["combination"],
    },
    (),
    (1, 2, 3),
    "smollm2.yaml",
    "A real model from PyPI ([real_models.md](real_models.md)), without a cold start, on sums, differences and "
    "products of two numbers up to 20 and sums of three: 28 iterations of 8 problems with 16 rollouts, k = 4, a "
    "learning rate of 2e-5, chosen with seed 100; 96 held-out problems with 8 answers each. The published model has "
    "a Pass@1 of 13.7, 5.1, 9.4 and 0.4 % on these levels (`passk validate`, 32 problems of each).",
)

COMPARISONS = (OBJECTIVES, DRAWS, SMOLLM2)
