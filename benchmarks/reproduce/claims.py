"""The claims as data: what is trained, and the rule that decides each sentence.

Seeds 100 and 101 were used with other lengths to choose the setting, and are in no result. Arms, lengths, metrics,
bounds and seeds were committed with this file before the runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.reproduce.claim import Arm, Claim, Sentence, Stage

FIRST, SECOND = 275, 200
"""Iterations of an arm's two parts after the cold start."""
RATE = 4.0e-4


def advantage(name: str, **arguments: Any) -> dict[str, Any]:
    """A class of app.advantages with arguments, in the format of YAML."""
    return {"class_path": f"app.advantages.{name}", "init_args": arguments}


def linear(**arguments: Any) -> dict[str, Any]:
    """A learning rate that is constant and then falls to zero, in the format of YAML."""
    return {"class_path": "app.learning_rate.Linear", "init_args": arguments}


def cold_start(steps: int, updates: int) -> Stage:
    """Imitation of demonstrations with typos, with `updates` updates per iteration, as in lightning.yaml."""
    engine = {
        "class_path": "app.engines.demonstrations.DemonstrationEngine",
        "init_args": {"typo_rate": 0.15, "typo_letters": "UDLR"},
    }
    rate = linear(peak=3.0e-3, warmup=30, start=updates * steps * 3 // 5, end=updates * steps)
    changes = {"engine": engine, "problems": 64, "rollouts": 2, "learning_rate": rate}
    return Stage("cold_start", "app.advantages.Imitate", steps, changes)


def begin(name: str, objective: Any, rate: float = RATE, steps: int = FIRST, **overlay: Any) -> Stage:
    """The first part after the cold start, with a constant learning rate."""
    constant = {"class_path": "app.learning_rate.Constant", "init_args": {"peak": rate, "warmup": 5}}
    return Stage(name, objective, steps, {"learning_rate": constant, "reset_optimizer": True}, overlay)


def end(name: str, objective: Any, rate: float = RATE, steps: int = SECOND, **overlay: Any) -> Stage:
    """The second part; the learning rate falls to zero over its last quarter."""
    falling = linear(peak=rate, start=steps * 3 // 4, end=steps)
    return Stage(f"{name}-end", objective, steps, {"learning_rate": falling}, overlay)


def renamed(stage: Stage, name: str) -> Stage:
    """The same stage with another name, for later in an arm."""
    return replace(stage, name=name)


PASS_1, PASS_8 = advantage("PassOne"), advantage("PassK", k=8)


def staged(cold: Stage, first: int = FIRST, second: int = SECOND) -> dict[str, Arm]:
    """Pass@1 alone, Pass@8 alone, and Pass@8, then Pass@1."""
    one, one_end = begin("pass@1", PASS_1, steps=first), end("pass@1", PASS_1, steps=second)
    eight, eight_end = begin("pass@8", PASS_8, steps=first), end("pass@8", PASS_8, steps=second)
    return {
        "Pass@1": (cold, one, one_end),
        "Pass@8": (cold, eight, eight_end),
        "Pass@8, then Pass@1": (cold, eight, one_end),
    }


COLD = cold_start(125, updates=4)
CORE = staged(COLD)


def alone(name: str, objective: Any, rate: float = RATE, **overlay: Any) -> Arm:
    """One objective for both parts."""
    return (COLD, begin(name, objective, rate, **overlay), end(name, objective, rate, **overlay))


SENTENCES = (
    Sentence("Pass@k training keeps the entropy above that of Pass@1 training", "Figure 7b",
             "eval/entropy", "Pass@8", "Pass@1"),
    Sentence("Pass@k training keeps the wrong answers to a problem more different from each other", "Figure 7a",
             "eval/distinct_wrong", "Pass@8", "Pass@1"),
    Sentence("Pass@k training ends with a higher Pass@k than Pass@1 training", "Section 2.2, Figure 3",
             "eval/pass@8", "Pass@8", "Pass@1"),
    Sentence("Pass@k training does not cost more than 2 points of Pass@1", "Section 2.2, Figure 3",
             "eval/pass@1", "Pass@8", "Pass@1", by=-0.02),
    Sentence("Pass@k, then Pass@1 training ends with a higher Pass@1 than Pass@1 training alone",
             "Section 3, Tables 2 and 5", "eval/pass@1", "Pass@8, then Pass@1", "Pass@1"),
    Sentence("Pass@k, then Pass@1 training ends with a higher Pass@k than Pass@1 training alone",
             "Section 3, Tables 2 and 5",
             "eval/pass@8", "Pass@8, then Pass@1", "Pass@1"),
)  # fmt: skip
STAGES = Claim("stages", "Pass@k training, and Pass@1 training after it", {"cold start": (COLD,), **CORE}, SENTENCES)
LONG_COLD = cold_start(500, updates=1)
LONGER = Claim(
    "stages_longer",
    "The same from the default run's cold start, with twice the batch and 800 iterations",
    {"cold start": (LONG_COLD,), **staged(LONG_COLD, 600, 200)},
    SENTENCES,
    setting="mazes_longer.yaml",
)

FORMS = Claim(
    "three_forms",
    "Full sampling, bootstrap and analytic advantages",
    {
        "analytic": CORE["Pass@8"],
        "bootstrap, sum": alone("bootstrap", advantage("PassKBootstrap", k=8)),
        "bootstrap, mean": alone("bootstrap-mean", advantage("PassKBootstrap", k=8, reduce="mean")),
        "full sampling": alone("full-sampling", advantage("PassKFullSampling", k=8)),
    },
    (
        Sentence("Bootstrap sampling ends with a higher Pass@k than full sampling with as many rollouts", "Figure 4",
                 "eval/pass@8", "bootstrap, sum", "full sampling"),
        Sentence("Analytic advantages end with a higher Pass@k than bootstrap sampling", "Section 2.4, Figure 5",
                 "eval/pass@8", "analytic", "bootstrap, sum"),
        Sentence("Analytic advantages end with a higher Pass@k than the bootstrap at their scale",
                 "Section 2.4, Figure 5",
                 "eval/pass@8", "analytic", "bootstrap, mean"),
        Sentence("Pass@k falls further in training with bootstrap sampling than with analytic advantages", "Figure 5",
                 "eval/pass@8", "bootstrap, sum", "analytic", at="fall"),
        Sentence("Analytic advantages end with a higher Pass@1 than full sampling", "Table 7",
                 "eval/pass@1", "analytic", "full sampling"),
    ),
)  # fmt: skip

FLIPPED = {
    f"{share:.0%} flipped": alone(f"flipped-{share:.0%}"[:-1], advantage("FlipNegatives", of=PASS_1, share=share))
    for share in (0.1, 0.3, 0.5)
}
NOISE = Claim(
    "noise",
    "Rewards of failures flipped at random",
    {"Pass@1": CORE["Pass@1"], **FLIPPED},
    tuple(
        Sentence(f"Pass@1 training with {more} of the failures' rewards {fewer} ends with a lower {name}", "Figure 6a",
                 figure, one, other)
        for figure, name in (("eval/pass@1", "Pass@1"), ("eval/pass@8", "Pass@k"))
        for more, fewer, one, other in (
            ("10%", "flipped", "Pass@1", "10% flipped"),
            ("30%", "flipped instead of 10%", "10% flipped", "30% flipped"),
            ("50%", "flipped instead of 30%", "30% flipped", "50% flipped"),
        )
    ),
)  # fmt: skip

BONUSES = {
    f"Pass@1, bonus {bonus}": alone(f"bonus-{bonus}", PASS_1, model={"entropy_bonus": bonus})
    for bonus in (0.001, 0.003, 0.005)
}
ENTROPY = Claim(
    "entropy_bonus",
    "Pass@1 training with an entropy bonus",
    {"Pass@8": CORE["Pass@8"], "Pass@1": CORE["Pass@1"], **BONUSES},
    tuple(
        Sentence(f"Pass@k training ends with a higher Pass@k than Pass@1 training with the bonus {arm[14:]}",
                 "Section 3.1, Figure 6b", "eval/pass@8", "Pass@8", arm)
        for arm in BONUSES
    ),
)  # fmt: skip

K = Claim(
    "k",
    "k of 4, 8 and 16, and higher learning rates",
    {
        "Pass@4": alone("pass@4", advantage("PassK", k=4)),
        "Pass@8": CORE["Pass@8"],
        "Pass@16": alone("pass@16", advantage("PassK", k=16)),
        "Pass@8, rate x2": alone("pass@8-x2", PASS_8, 2 * RATE),
        "Pass@8, rate x4": alone("pass@8-x4", PASS_8, 4 * RATE),
    },
    (
        Sentence("k = 8 learns more slowly than k = 4", "Figure 8a, b",
                 "rollout/reward", "Pass@4", "Pass@8", at="mean"),
        Sentence("k = 16 learns more slowly than k = 8", "Figure 8a, b",
                 "rollout/reward", "Pass@8", "Pass@16", at="mean"),
        Sentence("A learning rate twice as high makes k = 8 learn faster", "Figure 8c, d",
                 "rollout/reward", "Pass@8, rate x2", "Pass@8", at="mean"),
        Sentence("A learning rate four times as high makes k = 8 learn faster than k = 4", "Figure 8c, d",
                 "rollout/reward", "Pass@8, rate x4", "Pass@4", at="mean"),
    ),
)  # fmt: skip

DESIGNS = Claim(
    "designs",
    "Implicit reward designs",
    {
        "Pass@1": CORE["Pass@1"],
        "Pass@8": CORE["Pass@8"],
        "Pass@1 without easy problems": alone("without-easy", advantage("WithoutEasy", of=PASS_1)),
        "by accuracy": alone("by-accuracy", advantage("ByAccuracy", high=PASS_8)),
        "Exceeding": alone("exceeding", advantage("Exceeding", of=PASS_8)),
        "Combination": alone("combination", advantage("Combination", high=PASS_8)),
        "Adaptive": alone("adaptive", advantage("Adaptive", explore=PASS_8)),
    },
    (
        Sentence("Without its easy problems Pass@1 training ends higher", "Section 4.1.2, Figure 10",
                 "eval/pass@1", "Pass@1 without easy problems", "Pass@1"),
        Sentence("Pass@1 or Pass@k by a problem's accuracy ends above Pass@1 training", "Section 4.1.2, Figure 10",
                 "eval/pass@1", "by accuracy", "Pass@1"),
        Sentence("Exceeding has more Pass@k than Pass@k training", "Figure 11",
                 "eval/pass@8", "Exceeding", "Pass@8", at="mean"),
        Sentence("Exceeding has less Pass@1 than Pass@k training", "Figure 11",
                 "eval/pass@1", "Pass@8", "Exceeding", at="mean"),
        Sentence("Combination ends above Pass@k training on Pass@1", "Section 4.2.2, Figure 12",
                 "eval/pass@1", "Combination", "Pass@8"),
        Sentence("Combination ends above Pass@k training on Pass@k", "Section 4.2.2, Figure 12",
                 "eval/pass@8", "Combination", "Pass@8"),
        Sentence("Adaptive ends above Pass@1 training on Pass@1", "Section 4.2.3, Figure 13",
                 "eval/pass@1", "Adaptive", "Pass@1"),
        Sentence("Adaptive ends above Pass@1 training on Pass@k", "Section 4.2.3, Figure 13",
                 "eval/pass@8", "Adaptive", "Pass@1"),
        Sentence("Adaptive ends above Pass@k training on Pass@1", "Section 4.2.3, Figure 13",
                 "eval/pass@1", "Adaptive", "Pass@8"),
        Sentence("Adaptive ends above Pass@k training on Pass@k", "Section 4.2.3, Figure 13",
                 "eval/pass@8", "Adaptive", "Pass@8"),
    ),
)  # fmt: skip

_, *ROUND = CORE["Pass@8, then Pass@1"]
AGAIN = tuple(renamed(stage, f"{stage.name}-again") for stage in ROUND)
ROUNDS = Claim(
    "two_rounds",
    "A second round of Pass@k, then Pass@1",
    {"one round": CORE["Pass@8, then Pass@1"], "two rounds": (COLD, *ROUND, *AGAIN)},
    (
        Sentence("A second round, at twice the cost, ends with a higher Pass@1 than the first", "Table 5",
                 "eval/pass@1", "two rounds", "one round"),
        Sentence("A second round, at twice the cost, ends with a higher Pass@k than the first", "Table 5",
                 "eval/pass@8", "two rounds", "one round"),
    ),
)  # fmt: skip

CLAIMS = (STAGES, LONGER, FORMS, NOISE, ENTROPY, K, DESIGNS, ROUNDS)
