"""The HTML of a run's report: one text without scripts, in which everything is escaped."""

from __future__ import annotations

import base64
import html
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from itertools import pairwise
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from callbacks.display.media import Row
from callbacks.evaluation.tables import natural

CURVES = {
    "rollout/reward": "mean reward",
    "rollout/solved": "problems with a passing answer",
    "entropy/mean": "entropy of a token (nats)",
    "rollout/length": "length (tokens)",
}
"""The training metrics that are plotted, each in its own plot."""
LIBRARIES = ("passk", "torch", "lightning", "transformers", "numpy", "peft", "vllm")
NAME = 32
"""The most characters of a stage's name in a legend."""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-size: 13px } .wide { overflow-x: auto }
th, td { border-bottom: 1px solid #e4e4e4; padding: .3rem .6rem; vertical-align: top; white-space: nowrap }
th { background: #f6f6f6; text-align: left }
td pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; max-width: 26rem }
td pre { max-height: 14rem; overflow: auto }
details pre { overflow-x: auto; background: #f6f6f6; padding: 1rem; font-size: 12px } img { max-width: 100% }
small { color: #666 } .pass { color: #1a7f37 } .fail { color: #b42318 }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Content security policy: a browser loads only the page's own style and pictures."""


def page(
    *,
    title: str,
    results: str,
    history: Sequence[Mapping[str, Any]],
    training: Sequence[Mapping[str, float]],
    stages: Sequence[Row],
    answers: Sequence[Row],
    config: str,
) -> str:
    """The complete page.

    Args:
        title: the run's title.
        results: the contents of `results.json`.
        history: a record for each validation, the oldest first.
        training: a record for each iteration: its number, and the metrics of CURVES.
        stages: a row for each.
        answers: a row for each, of the last validation.
        config: the contents of `config.yaml`.
    """
    told = json.loads(results)
    parts = [
        ("Pass@k", [*_passes(told["validations"]), f"<p><small>{_escaped(told['method'])}</small></p>"]),
        ("Curves", [_picture(figure, name) for name, figure in _figures(told["validations"], history, training)]),
        ("Stages", [_table(stages)] if stages else []),
        ("Answers of the last validation, by reward", [_by_reward(answers)] if answers else []),
        ("Configuration", [f"<details><summary>config.yaml</summary><pre>{_escaped(config)}</pre></details>"]),
        ("Versions", [_table([_versions()])]),
    ]
    body = "".join(f"<h2>{_escaped(head)}</h2>{''.join(content)}" for head, content in parts if content)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_escaped(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{STYLE}</style></head>'
        f"<body><h1>{_escaped(title)}</h1>{body}</body></html>\n"
    )


def _escaped(text: object) -> str:
    whole = str(text).encode(errors="replace").decode()  # lone surrogates cannot be encoded
    return html.escape(whole)


# -- tables ---------------------------------------------------------------------------------------------


def _passes(validations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table for each set with a row for each stage's end: metrics in per cent with their intervals."""
    labels = dict.fromkeys(label for validation in validations for label in validation["sets"])
    for label in labels:
        of_set = [(each, each["sets"][label]) for each in validations if label in each["sets"]]
        last = of_set[-1][1]
        name = label or last.get("set", "all problems")
        names = [*sorted((each for each in last if "@" in each), key=lambda each: (each[0] != "p", natural(each)))]
        further = dict.fromkeys(each for _, record in of_set for each in record.get("metrics", {}))
        drawn = f", {last['answers']} answers to each" if "answers" in last else ""
        yield f"<p><b>{_escaped(name)}</b>: {last['problems']} problems{drawn} (%)</p>"
        yield _table(
            [
                {
                    "stage": each["stage"],
                    "iteration": each["iteration"],
                    **{figure.replace("pass", "Pass"): _interval(record.get(figure)) for figure in names},
                    **({"greedy": f"{100 * record['greedy']:.1f}"} if "greedy" in record else {}),
                    **{figure: record.get("metrics", {}).get(figure) for figure in further},
                }
                for each, record in of_set
            ]
        )


def _interval(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return ""
    low, high = (f"{100 * figure[end]:.1f}" for end in ("low", "high"))
    return f"{100 * figure['estimate']:.1f} [{low}, {high}]"


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{_escaped(name)}</th>" for name in rows[0])
    cells = ("".join(f"<td>{_escaped(_shown(each))}</td>" for each in row.values()) for row in rows)
    body = "".join(f"<tr>{each}</tr>" for each in cells)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _shown(value: str | float | None) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _by_reward(answers: Sequence[Row]) -> str:
    """The answers by falling reward, unscored ones last."""
    rewards = [each["reward"] for each in answers]
    order = sorted(range(len(answers)), key=lambda place: (rewards[place] is None, -float(rewards[place] or 0.0)))
    names = [name for name in answers[0] if name != "reward"]
    head = "".join(f"<th>{_escaped(name)}</th>" for name in ("reward", *names))
    rows = []
    for row in (answers[place] for place in order):
        reward = row["reward"]
        kind = "pass" if reward is not None and float(reward) >= 1 else "fail"
        cells = "".join(f"<td><pre>{_escaped(_shown(row[name]))}</pre></td>" for name in names)
        rows.append(f"<tr><td class='{kind}'>{'no score' if reward is None else _shown(reward)}</td>{cells}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


# -- pictures -------------------------------------------------------------------------------------------


def _figures(
    validations: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    training: Sequence[Mapping[str, float]],
) -> Iterator[tuple[str, Figure]]:
    with rc_context({"text.parse_math": False, "svg.hashsalt": "passk"}):
        yield "Pass@k against k, at the end of each stage", _against_k(validations)
        if len(history) > 1:
            yield "Pass@k of validations", _over_iterations(history)
        if training:
            yield "training", _of_training(training)


def _against_k(validations: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot Pass@k of all problems against k, with the interval as a band."""
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axes = figure.subplots()
    ks: list[int] = []
    for each in validations:
        record = each["sets"][""]
        ks = sorted(int(name.removeprefix("pass@")) for name in record if name.startswith("pass@") and record[name])
        points = [record[f"pass@{k}"] for k in ks]
        (line,) = axes.plot(ks, [point["estimate"] for point in points], marker=".", label=each["stage"][:NAME])
        low, high = ([point[end] for point in points] for end in ("low", "high"))
        axes.fill_between(ks, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="k", ylabel="Pass@k", ylim=(0, 1), title="end of each stage, with 95 % intervals")
    axes.set_xscale("log", base=2)
    axes.set_xticks(ks, [*map(str, ks)])
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    return figure


def _over_iterations(history: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axes = figure.subplots()
    iterations = [record["iteration"] for record in history]
    names = sorted({name for record in history for name in record if name.startswith("eval/pass@")}, key=natural)
    for name in (*names, *(["eval/greedy"] if "eval/greedy" in history[-1] else [])):
        style = "--" if name == "eval/greedy" else "-"
        values = [record.get(name, float("nan")) for record in history]
        axes.plot(iterations, values, style, marker=".", label=name.removeprefix("eval/").replace("pass", "Pass"))
    for before, after in pairwise(history):
        if before["stage"] != after["stage"]:
            axes.axvline(before["iteration"], color="0.6", linewidth=0.8, linestyle=":")
    axes.set(xlabel="iteration", ylim=(0, 1), title="validations (dotted: a stage ends)")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    return figure


def _of_training(training: Sequence[Mapping[str, float]]) -> Figure:
    names = [name for name in CURVES if any(name in record for record in training)]
    figure = Figure(figsize=(6.5, 2.2 * ((len(names) + 1) // 2)), layout="constrained")
    for place, name in enumerate(names):
        axes = figure.add_subplot((len(names) + 1) // 2, 2, place + 1)
        known = [(record["iteration"], record[name]) for record in training if name in record]
        axes.plot([each[0] for each in known], [each[1] for each in known], linewidth=0.8)
        axes.set_title(CURVES[name], fontsize="small")
        axes.grid(alpha=0.3)
    return figure


def _picture(figure: Figure, name: str) -> str:
    encoded = BytesIO()
    figure.savefig(encoded, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(encoded.getvalue()).decode()
    return f'<p><img alt="{_escaped(name)}" src="data:image/svg+xml;base64,{data}"></p>'
