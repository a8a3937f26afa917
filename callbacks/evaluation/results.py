"""Writes `results.json` and `results.md`: each metric with its confidence interval.

Pass@k is the unbiased estimate, maj@k the mean majority vote of k of the n answers; the interval is a bootstrap over
problems (app/metrics/intervals.py). There is a record for the last validation of each stage.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import nan
from pathlib import Path
from typing import Any

import torch

from app.distributed.processes import sum_of_counters
from app.metrics.answers import answer_entropies, majority_votes
from app.metrics.intervals import LEVEL, RESAMPLES, bootstrap_interval
from app.metrics.rollouts import is_covered, name_of, votes_of
from app.passk import pass_at_k
from app.storage.files import replacing
from app.types import Rollouts
from callbacks.evaluation.sets import ALL, TOTAL, EvaluationSet
from callbacks.evaluation.tables import natural

METHOD = (
    "Pass@k: 1 - C(n - c, k) / C(n, k) of n answers of which c pass; maj@k: whether the most frequent extracted answer "
    "of k passes, as a mean over all subsets of k, in expectation where ties are broken at random; Cover@tau: whether "
    "a share tau of the answers passes, or more; answer entropy: of the extracted answers of a problem, in nats; each "
    "a mean over problems; "
    f"low, high: {LEVEL:.0%} percentile bootstrap over problems, {RESAMPLES} resamples."
)


class Tally:
    """Counts a set's problems by (passing answers, scored answers), by majority vote and by entropy."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, int, int]] = Counter()
        self.votes: Counter[tuple[str, int, float]] = Counter()
        self.entropies: Counter[tuple[str, float]] = Counter()

    def update(self, label: str, rollouts: Rollouts, evaluated: EvaluationSet) -> None:
        counts = zip(rollouts.passed.sum(-1).tolist(), rollouts.scored.sum(-1).tolist(), strict=True)
        for passes, answers in counts:
            self.counts[label, passes, answers] += 1
        self.entropies.update((label, round(each, 9)) for each in answer_entropies(rollouts) if each == each)
        for k in votes_of(evaluated.ks, evaluated.n):
            votes = majority_votes(rollouts, None if k == evaluated.n else k)
            self.votes.update((label, k, vote) for vote in votes if vote == vote)

    def curve(self, n: int) -> list[float]:
        """Pass@k of all problems for k from 1 to n, over all processes; NaN if none has k scored answers.

        A problem with fewer than k scored answers is left out of Pass@k.
        """
        counts = sum_of_counters(self.counts)
        return [_mean(pass_at_k_counts(counts, ALL, k)) for k in range(1, n + 1)]

    def records(self, sets: Mapping[str, EvaluationSet], taus: Sequence[float] = ()) -> dict[str, dict[str, Any]]:
        """For each set, over all processes: its size, evaluation settings, and metrics with their intervals.

        A problem with fewer than k scored answers is left out of Pass@k, one without any out of maj@n.
        """
        counts, votes = sum_of_counters(self.counts), sum_of_counters(self.votes)
        entropies = sum_of_counters(self.entropies)
        records: dict[str, dict[str, Any]] = {}
        for label in sorted({label for label, _, _ in counts}):
            settings = sets[label].settings
            drawn = {} if settings is None else {"answers": settings.n, "sampling": asdict(settings.sampling)}
            problems = sum(number for (name, _, _), number in counts.items() if name == label)
            figures = {f"pass@{k}": estimate(pass_at_k_counts(counts, label, k), label) for k in sets[label].ks}
            for k in votes_of(sets[label].ks, sets[label].n):
                of_set = {vote: number for (name, of, vote), number in votes.items() if (name, of) == (label, k)}
                figures[f"maj@{k}"] = estimate(Counter(of_set), label)
            for tau in taus:
                figures[name_of(tau)] = estimate(cover_counts(counts, label, tau), label)
            of_values = {value: number for (name, value), number in entropies.items() if name == label}
            figures["answer_entropy"] = estimate(Counter(of_values), label)
            records[label] = {"problems": problems, **drawn, **figures}
        return records


def _mean(counts: Counter[float]) -> float:
    """The mean of values given with their counts, summed in the order of the values; NaN if there are none."""
    return sum(value * counts[value] for value in sorted(counts)) / counts.total() if counts else nan


def pass_at_k_counts(counts: Counter[tuple[str, int, int]], label: str, k: int) -> Counter[float]:
    """The number of a set's problems for each value of Pass@k, of those with k scored answers."""
    problems: Counter[float] = Counter()
    for (name, passes, answers), number in counts.items():
        if name == label and answers >= k:
            problems[pass_at_k(torch.arange(answers)[None] < passes, k).item()] += number
    return problems


def cover_counts(counts: Counter[tuple[str, int, int]], label: str, tau: float) -> Counter[float]:
    """The number of a set's problems covered at tau (1) and not (0), of those with a scored answer."""
    problems: Counter[float] = Counter()
    for (name, passes, answers), number in counts.items():
        if name == label and answers:
            problems[float(is_covered(passes, answers, tau))] += number
    return problems


def estimate(counts: Counter[float], label: str) -> dict[str, float] | None:
    """Mean and interval over a set's problems, given as counts of each value; None if there are none."""
    if not counts:
        return None
    values = sorted(counts)
    low, high = bootstrap_interval(values, [counts[value] for value in values], f"bootstrap/{label}")
    return {"estimate": round(_mean(counts), 6), "low": round(low, 6), "high": round(high, 6)}


def json_of(results: Sequence[dict[str, Any]]) -> str:
    """The contents of `results.json`."""
    return json.dumps({"method": METHOD, "validations": list(results)}, indent=2, ensure_ascii=False)


def write_results(results: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write both files, replacing earlier ones."""
    tables = "\n\n".join([*map(markdown, results), METHOD])
    for name, content in {"results.json": json_of(results), "results.md": tables}.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")


def markdown(result: dict[str, Any]) -> str:
    """A Markdown table with a row for each set, in percent."""
    sets: dict[str, dict[str, Any]] = result["sets"]
    names = {name for record in sets.values() for name in record}
    kinds = [[name for name in names if name.startswith(kind)] for kind in ("pass@", "maj@", "cover@")]
    columns = [name for of_kind in kinds for name in sorted(of_kind, key=natural)]
    greedy = ["greedy"] if "greedy" in names else []
    entropy = ["answer_entropy"] if any(record.get("answer_entropy") for record in sets.values()) else []
    extra = sorted({name for record in sets.values() for name in record.get("metrics", {})})
    head = ["set", "problems", "n", *(name.replace("pass", "Pass") for name in columns), *greedy,
            *("answer entropy" for _ in entropy), *(name.replace("|", "\\|") for name in extra)]  # fmt: skip
    rows = [
        [_name(label, record), str(record["problems"]), str(record.get("answers", "")),
         *(_cell(record.get(name)) for name in columns), *(_percent(record.get(name)) for name in greedy),
         *(_plain((record.get(name) or {}).get("estimate")) for name in entropy),
         *(_plain(record.get("metrics", {}).get(name)) for name in extra)]
        for label, record in sets.items()
    ]  # fmt: skip
    title = f"**{result['stage']}**, iteration {result['iteration']} (%)"
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([title, "", *(f"| {' | '.join(line)} |" for line in lines)])


def _name(label: str, record: Mapping[str, Any]) -> str:
    """The name of a row; if there is only one set, all problems have its name."""
    return (label or record.get("set", TOTAL)).replace("|", "\\|")


def _cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return ""
    return f"{_percent(figure['estimate'])} [{_percent(figure['low'])}, {_percent(figure['high'])}]"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def line_of(record: Mapping[str, Any]) -> str:
    """A validation as a line of `results.jsonl`; missing metrics are null."""
    return json.dumps({name: None if value != value else value for name, value in record.items()}) + "\n"
