"""The tables that are printed at the end of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

COLUMNS = {
    "greedy": "greedy",
    "distinct_wrong": "distinct\nwrong",
    "answer_entropy": "answer\nentropy",
    "entropy": "entropy\n(nats)",
    "length": "length\n(tokens)",
    "truncated": "trun-\ncated",
}
"""The columns after Pass@k and maj@n, in this order; shares are given in percent."""

KINDS = r"(pass|maj|cover)@[\d.]+"
"""Metrics with several columns."""

UNSHOWN = frozenset(("unscored", "prompt_tokens", "completion_tokens", "cost"))
"""Metrics without a column."""

SPENT = {
    "prompt_tokens": "{:,.0f} prompt tokens",
    "completion_tokens": "{:,.0f} completion tokens",
    "cost": "cost {:.4f}",
}
"""What an endpoint charges for, and its format in the text."""


def print_results(history: list[dict[str, Any]], folder: str) -> None:
    """Print the last validation of each stage; with several sets also the last metrics of each set.

    folder: a line on the run's files.
    """
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    last = history[-1]
    sets = sorted({set_of(name) for name in last} - {""}, key=natural)
    console.print(fitting(console, lambda left_out: results_table(history, left_out), columns(last)))
    if len(sets) > 1:
        console.print(fitting(console, lambda left_out: sets_table(last, sets, left_out), columns_of_sets(last)))
    spent = {name: last[f"eval/{name}"] for name in SPENT if f"eval/{name}" in last}
    if spent:
        console.print(spent_line(spent))
    console.print(folder, soft_wrap=True, markup=False)


def fitting(console: Console, table: Callable[[Collection[str]], Table], names: Sequence[str]) -> Table:
    """A table with as many columns as fit on the console, and a line on those left out.

    They are left out in this order: the answers' entropy, distinct wrong answers, truncated, maj@k but for the largest
    k, Cover@tau, length, the run's own metrics, entropy, maj@k for the largest k, and greedy. The stage and Pass@k
    are always shown.

    Args:
        table: makes the table without the given columns.
        names: the names of all columns.
    """
    votes = [name for name in names if name.startswith("maj@")]
    own = [name for name in names if not re.fullmatch(KINDS, name) and name not in COLUMNS]
    covers = [name for name in names if name.startswith("cover@")]
    ranked = [
        "answer_entropy",
        "distinct_wrong",
        "truncated",
        *votes[:-1],
        *covers,
        "length",
        *own[::-1],
        "entropy",
        *votes[-1:],
        "greedy",
    ]
    order = [name for name in ranked if name in names]
    left_out: list[str] = []
    unbounded = console.options.update(width=10_000)
    while order and console.measure(table(left_out), options=unbounded).maximum > console.width:
        left_out.append(order.pop(0))
    fitted = table(left_out)
    if left_out:
        shown = [name for name in names if name in left_out]
        fitted.caption = f"left out at {console.width} columns, in results.jsonl: {', '.join(shown)}"
    return fitted


def spent_line(spent: dict[str, float]) -> str:
    """One line on what the answers cost."""
    return "Spent: " + ", ".join(SPENT[name].format(value) for name, value in spent.items())


def results_table(history: list[dict[str, Any]], left_out: Collection[str] = ()) -> Table:
    """A row for the last validation of each stage, without the columns left out."""
    ends = [
        record
        for record, following in zip(history, [*history[1:], None], strict=True)
        if following is None or following["stage"] != record["stage"]
    ]
    names = [name for name in columns(history[-1]) if name not in left_out]
    table = _table("stage", names, "Held-out problems at the end of each stage (%)")
    table.columns.insert(1, Column("iter", justify="right"))
    for record in ends:
        table.add_row(Text(record["stage"]), str(record["iteration"]), *_cells(record, "eval/", names))
    return table


def sets_table(record: dict[str, Any], sets: list[str], left_out: Collection[str] = ()) -> Table:
    """A row for each set of problems in one validation; a cell is empty if the set lacks that metric."""
    names = [name for name in columns_of_sets(record) if name not in left_out]
    table = _table("set", names, "By set (%)")
    for label in sets:
        table.add_row(Text(label), *_cells(record, f"eval/{label}/", names))
    return table


def set_of(name: str) -> str:
    """The set that a metric is of; "" for all problems and for names that are no metric."""
    return split(name)[0]


def split(name: str) -> tuple[str, str]:
    """Split a logged name into the set and the metric; ("", "") for names that are no metric.

    A set's name may contain "/", as in "eval/openai/gsm8k/pass@1", but no part of it is "reward". A metric's name
    contains none, except for the mean of a reward, "eval/openai/gsm8k/reward/format".
    """
    kind, _, rest = name.partition("/")
    if kind != "eval":
        return "", ""
    label, of_reward, component = f"/{rest}".partition("/reward/")
    label, _, figure = (label, "", f"reward/{component}") if of_reward else label.rpartition("/")
    return label.removeprefix("/"), figure


def components_of(record: Mapping[str, Any], prefix: str) -> list[str]:
    """The means of rewards among a set's metrics, whose names begin with "eval/" or "eval/<set>/"."""
    names = (name.removeprefix(prefix) for name in record if name.startswith(prefix))
    return [name for name in names if name.startswith("reward/")]


def _table(first: str, names: list[str], title: str) -> Table:
    table = Table(Column(first, overflow="fold"), title=title)
    for name in names:
        short = name.replace("pass@", "P@").replace("cover@", "C@").replace("reward/", "reward/\n", 1)
        table.add_column(COLUMNS.get(name, short), justify="right", no_wrap=True)
    return table


def columns(record: dict[str, Any]) -> list[str]:
    """The metrics over all problems that a record has."""
    return in_order({figure for label, figure in map(split, record) if figure and not label})


def columns_of_sets(record: dict[str, Any]) -> list[str]:
    """The metrics of sets that a record has."""
    return in_order({figure for label, figure in map(split, record) if label})


def in_order(names: set[str]) -> list[str]:
    """Shown metrics in order: Pass@k by k, maj@k by k, Cover@tau, others, the run's own metrics, rewards."""
    of_k = sorted((name for name in names if re.fullmatch(KINDS, name)), key=natural)
    ordered = [name for kind in ("pass", "maj", "cover") for name in of_k if name.startswith(kind)]
    known = [*ordered, *(name for name in COLUMNS if name in names)]
    return [*known, *sorted(names - {*known} - UNSHOWN)]


def _cells(record: dict[str, Any], prefix: str, names: list[str]) -> list[str]:
    values = [record.get(prefix + name) for name in names]
    return ["" if value is None else _cell(name, value) for name, value in zip(names, values, strict=True)]


def _cell(name: str, value: float) -> str:
    """Format a value: shares in percent."""
    scale, form = form_of(name)
    return f"{scale * value:{form}}"


def form_of(name: str) -> tuple[int, str]:
    """The factor (100 for a share) and the format with which a metric is shown."""
    if name in ("entropy", "length", "answer_entropy"):
        return 1, ".2f"
    return (100, ".1f") if name in COLUMNS or re.fullmatch(KINDS, name) else (1, ".4g")


def natural(name: str) -> tuple[int, str]:
    """Sort key that orders numbers by value: 7x7 before 11x11, pass@2 before pass@16."""
    digits = "".join(letter if letter.isdigit() else " " for letter in name).split()
    return (int(digits[0]) if digits else 0, name)
