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


def ramp(first: float, last: float, start: int, end: int) -> dict[str, Any]:
    """A value that changes linearly between two iterations of a stage, in the format of YAML."""
    return {"class_path": "app.knobs.Ramp", "init_args": {"first": first, "last": last, "start": start, "end": end}}


def annealed(k: int, rate: float, first: int, second: int) -> Stage:
    """Pass@k in one stage as long as both parts, with k falling to 1 in its course."""
    steps = first + second
    falling = linear(peak=rate, warmup=5, start=first + second * 3 // 4, end=steps)
    changes = {"learning_rate": falling, "reset_optimizer": True, "knobs": {"k": ramp(float(k), 1.0, 0, steps)}}
    return Stage("annealed", advantage("PassK", k=k), steps, changes)


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
        "Pass@k, k from 8 to 1": (COLD, annealed(8, RATE, FIRST, SECOND)),
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

DRAWS = Claim(
    "draws",
    "Samplers and replay, in Pass@8 training on 1,000 mazes",
    {
        "uniform": drawn("pass@8"),
        "ByPassRate": drawn("by-pass-rate", draw=sampler("ByPassRate", weight="informative")),
        "Pools": drawn("pools", draw=sampler("Pools")),
        "Curriculum": drawn(
            "curriculum", draw=sampler("Curriculum", target=ramp(0.8, 0.3, COLD.steps, COLD.steps + FIRST + SECOND))
        ),
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
        ("combination", advantage("Combination", high=PASS_4)),
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


def drawn_real(name: str, **overlay: Any) -> Arm:
    """Pass@4 training of the real model with another sampler of problems, or with replay."""
    return (begin(name, PASS_4, 2.0e-5, 16, **overlay), end(name, PASS_4, 2.0e-5, 12, **overlay))


SMOLLM2_DRAWS = Claim(
    "smollm2_draws",
    "Samplers, replay and a falling k, in Pass@4 training of SmolLM2 on 48 problems",
    {
        "uniform": REAL["pass@4"],
        "ByPassRate": drawn_real("by-pass-rate", draw=sampler("ByPassRate", weight="informative")),
        "Pools": drawn_real("pools", draw=sampler("Pools")),
        "Curriculum": drawn_real("curriculum", draw=sampler("Curriculum", target=ramp(0.8, 0.3, 0, 28))),
        "GroupReplay": drawn_real("group-replay", replay=replay("groups", "GroupReplay")),
        "PrefixReplay": drawn_real("prefix-replay", replay=replay("prefixes", "PrefixReplay")),
        "k from 4 to 1": (annealed(4, 2.0e-5, 16, 12),),
    },
    (),
    (1, 2, 3),
    "smollm2_again.yaml",
    "The setting of `smollm2` with 12 training problems of each level, which are drawn 4.7 times each.",
)

COMPARISONS = (OBJECTIVES, DRAWS, SMOLLM2, SMOLLM2_DRAWS)
