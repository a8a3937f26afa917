"""Plots the figures of docs/advantages.md from the estimators: `python docs/draw_advantages.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from app.advantages import (
    FADE,
    FGRPO,
    PKPO,
    QAE,
    RLOO,
    RLOOK,
    RSGRPO,
    AdvantageEstimator,
    BestMinusSecond,
    ByAccuracy,
    Combination,
    CurveRL,
    DrGRPO,
    Exceeding,
    FlipNegatives,
    MaxRL,
    PassK,
    PassKBootstrap,
    PassKFullSampling,
    PassKWithoutSigma,
    PassOne,
    PKPOLeaveOneOut,
    PKPOLeaveOneOutMinusOne,
    WithoutEasy,
)
from app.advantages.curves import curves

ROLLOUTS = 32
FOLDER = Path(__file__).resolve().parent / "advantages"

PICTURES: dict[str, dict[str, AdvantageEstimator]] = {
    "pass_at_k": {"Pass@1": PassOne(), **{f"Pass@{k}": PassK(k) for k in (2, 4, 8, 16)}},
    "figure_9": {"Pass@1": PassOne(), "Pass@4 (the paper's curve)": PassK(4), "Pass@8": PassK(8)},
    "three_forms": {
        "analytic": PassK(4),
        "full sampling": PassKFullSampling(4),
        "bootstrap, mean": PassKBootstrap(4, reduce="mean"),
    },
    "figure_18": {
        "a  w/o easy, Pass@4": WithoutEasy(PassK(4)),
        "a  w/o easy, Pass@1": WithoutEasy(PassOne()),
        "b  w/ combination": ByAccuracy(high=PassK(4)),
        "c  Exceeding": Exceeding(PassK(4)),
        "d  Combination": Combination(high=PassK(4)),
    },
    "noise": {
        "Pass@1": PassOne(),
        **{f"{share:.0%} flipped": FlipNegatives(PassOne(), share) for share in (0.1, 0.3, 0.5)},
    },
    "neighbours_of_pass_at_k": {
        "Pass@4": PassK(4),
        "Pass@4 without sigma": PassKWithoutSigma(4),
        "PKPO": PKPO(4),
        "PKPO, leave one out": PKPOLeaveOneOut(4),
        "PKPO, leave one out minus one": PKPOLeaveOneOutMinusOne(4),
        "best minus second": BestMinusSecond(),
    },
    "neighbours_of_pass_at_1": {
        "Pass@1": PassOne(),
        "RLOO": RLOO(),
        "Dr. GRPO": DrGRPO(),
        "RLOO_K, k = 4": RLOOK(4),
        "RS-GRPO": RSGRPO(),
        "MaxRL": MaxRL(),
        "F-GRPO": FGRPO(),
        "FADE": FADE(),
        "QAE": QAE(),
        "CurveRL": CurveRL(),
    },
}


def pass_k_limit(k: int) -> Callable[[Tensor], Tensor]:
    """w(p) of Pass@k training for many rollouts: (1 - p)^(k - 1) / sqrt(q (1 - q)), q = 1 - (1 - p)^k."""

    def limit(p: Tensor) -> Tensor:
        fail = (1 - p) ** k
        return (1 - p) ** (k - 1) / (fail * (1 - fail)).sqrt()

    return limit


LIMITS: dict[str, tuple[AdvantageEstimator, Callable[[Tensor], Tensor]]] = {
    "Pass@1": (PassOne(), pass_k_limit(1)),
    "Pass@4": (PassK(4), pass_k_limit(4)),
    "Pass@8": (PassK(8), pass_k_limit(8)),
    "PKPO, k = 4": (PKPOLeaveOneOutMinusOne(4), lambda p: 4 * (1 - p) ** 3),
    "RLOO": (RLOO(), torch.ones_like),
    "MaxRL": (MaxRL(), lambda p: (1 - (1 - p) ** (ROLLOUTS - 1)) / p),
    "RS-GRPO": (RSGRPO(2.0), lambda p: torch.expm1(torch.tensor(2.0)) / (2 * (1 + p * torch.expm1(torch.tensor(2.0))))),
    "F-GRPO": (FGRPO(gamma=1.0), lambda p: (1 - p) / (p * (1 - p)).sqrt()),
}
"""The plotted estimators at N rollouts, and their weights in the limit of many."""


def draw_curves(estimators: Mapping[str, AdvantageEstimator]) -> Figure:
    """Plots A_pos, A_neg and eta against the pass rate, and w against the probability to pass."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    panels = figure.subplots(1, 4)
    p = torch.linspace(0.01, 0.99, 99).double()
    for name, estimator in estimators.items():
        curve = curves(estimator, ROLLOUTS)
        rates = curve.pass_rates
        panels[0].plot(rates[1:], curve.positive[1:])
        panels[1].plot(rates[:-1], curve.negative[:-1])
        panels[2].plot(rates, curve.eta)
        panels[3].plot(p, curve.weight(p), label=name)
    panels[3].set_yscale("symlog", linthresh=1)
    for axes, title, x in zip(panels, ("A_pos", "A_neg", "eta (Eq. 16)", "w(p)"), ("c / N",) * 3 + ("p",), strict=True):
        axes.set(title=title, xlabel=x)
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=min(len(estimators), 4))
    return figure


def draw_weights() -> Figure:
    """Plots w(p) at N rollouts, solid, and in the limit of many, dashed."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    p = torch.linspace(0.01, 0.99, 99).double()
    for name, (estimator, limit) in LIMITS.items():
        (line,) = axes.plot(p, curves(estimator, ROLLOUTS).weight(p), label=name)
        axes.plot(p, limit(p), color=line.get_color(), linestyle="--", linewidth=0.8)
    axes.set(xlabel="p", ylabel="w(p)", ylim=(1e-2, 40), yscale="log", title=f"N = {ROLLOUTS}; dashed: many rollouts")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    return figure


def main() -> None:
    """Write every figure as SVG, reproducible byte by byte."""
    import matplotlib

    matplotlib.rcParams |= {"svg.hashsalt": "passk", "svg.fonttype": "none"}
    FOLDER.mkdir(exist_ok=True)
    figures = {name: draw_curves(estimators) for name, estimators in PICTURES.items()} | {"weights": draw_weights()}
    for name, figure in figures.items():
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
        print(FOLDER / f"{name}.svg", file=sys.stderr)


if __name__ == "__main__":
    main()
