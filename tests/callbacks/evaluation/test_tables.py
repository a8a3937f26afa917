"""The tables a run ends with."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from callbacks.evaluation.tables import (
    columns,
    components_of,
    fitting,
    print_results,
    results_table,
    set_of,
    sets_table,
    split,
)
from tests.conftest import Run


def record(iteration: int, stage: str, rate: float, *sets: str) -> dict[str, Any]:
    names = {"pass@1": rate, "pass@16": 0.75, "pass@2": 0.5, "entropy": 1.234, "greedy": 0.125, "length": 7.5}
    labels = ["", *(f"{label}/" for label in sets)]
    return {
        "iteration": iteration,
        "stage": stage,
        **{f"eval/{label}{name}": value for label in labels for name, value in names.items()},
    }


OWN = {"maj@32": 0.25, "maj@8": 0.125, "repeats": 1.23449, "unscored": 0.5, "cost": 7.0}


def cells(table: Table) -> list[list[str]]:
    """Row by row, the headers first."""
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def test_sets_may_be_named_as_hub_ids_and_as_figures_are(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["openai/gsm8k", "AIME/2024", "pass@1", "[bold]x"]
    last = record(5, "explore", 0.1, *names)
    assert {set_of(name) for name in last} == {"", *names}
    print_results([last], "Run folder: runs [v2]")
    printed = capsys.readouterr().out
    assert "By set" in printed
    assert all(f"│ {name} " in printed for name in names)
    assert printed.endswith("Run folder: runs [v2]\n")


@pytest.mark.parametrize("label", ["", "7x7", "openai/gsm8k", "rewards/of"])
@pytest.mark.parametrize("figure", ["pass@1", "reward/format", "reward/format/think", "reward/pass@1"])
def test_a_figure_is_told_from_its_set(label: str, figure: str) -> None:
    name = "/".join(["eval", *filter(None, [label]), figure])
    assert split(name) == (label, figure)
    assert components_of({name: 0.5}, f"eval/{label}/" if label else "eval/") == [figure] * ("reward" in figure)


def test_rewards_come_last_as_they_are() -> None:
    last = record(5, "explore", 0.1) | {"eval/reward/correct": 0.5, "eval/reward/a@b": -0.12345, "eval/greedy": 0.5}
    head, row = cells(results_table([last]))
    assert head[-2:] == ["reward/\na@b", "reward/\ncorrect"]
    assert row[-2:] == ["-0.1235", "0.5"]


def test_a_row_for_the_last_validation_of_each_stage() -> None:
    history = [record(5, "explore", 0.1), record(9, "explore", 0.2), record(12, "exploit", 0.3)]
    assert cells(results_table(history)) == [
        ["stage", "iter", "P@1", "P@2", "P@16", "greedy", "entropy\n(nats)", "length\n(tokens)"],
        ["explore", "9", "20.0", "50.0", "75.0", "12.5", "1.23", "7.50"],
        ["exploit", "12", "30.0", "50.0", "75.0", "12.5", "1.23", "7.50"],
    ]


def test_the_majority_vote_follows_and_metrics_of_ones_own_come_last_as_they_are() -> None:
    own = {f"eval/{label}{name}": value for label in ("", "7x7/") for name, value in OWN.items()}
    last = record(5, "explore", 0.1, "7x7") | own
    assert cells(results_table([last])) == [
        ["stage", "iter", "P@1", "P@2", "P@16", "maj@8", "maj@32", "greedy", "entropy\n(nats)", "length\n(tokens)",
         "repeats"],
        ["explore", "5", "10.0", "50.0", "75.0", "12.5", "25.0", "12.5", "1.23", "7.50", "1.234"],
    ]  # fmt: skip
    assert cells(sets_table(last, ["7x7"]))[1][-1] == "1.234"


def test_a_row_for_each_set_in_the_order_of_size() -> None:
    rows = cells(sets_table(record(5, "explore", 0.1, "7x7", "11x11"), ["7x7", "11x11"]))
    assert [row[:2] for row in rows] == [["set", "P@1"], ["7x7", "10.0"], ["11x11", "10.0"]]


@pytest.mark.parametrize(("sets", "tables"), [(["7x7"], 1), (["11x11", "7x7"], 2)])
def test_sets_are_told_apart_where_there_are_several(
    sets: list[str], tables: int, capsys: pytest.CaptureFixture[str]
) -> None:
    print_results([record(5, "explore", 0.1, *sets)], "Run folder: runs/here")
    said = capsys.readouterr().out
    assert said.count("P@16") == tables
    assert said.rstrip().endswith("Run folder: runs/here")
    assert tables == 1 or said.index("7x7") < said.index("11x11")


def test_a_row_fits_a_narrow_terminal() -> None:
    out = StringIO()
    Console(file=out, width=90).print(results_table([record(5, "explore", 0.1)]))
    assert "…" not in out.getvalue()


WIDE = {"eval/maj@2": 0.5, "eval/maj@32": 0.5, "eval/distinct_wrong": 0.5, "eval/truncated": 0.5, "eval/repeats": 1.5}
WIDE |= {f"eval/pass@{k}": 1.0 for k in (4, 8, 32)}


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (160, []),
        (100, ["distinct_wrong", "length", "maj@2", "repeats", "truncated"]),
        (80, ["maj@2", "maj@32", "entropy", "length", "truncated", "distinct_wrong", "repeats"]),
    ],
)
def test_secondary_columns_go_first(width: int, left_out: list[str]) -> None:
    """Never the stage or Pass@k, whose cells are not cut."""
    last, out = record(500, "cold start", 1.0) | WIDE, StringIO()
    console = Console(file=out, width=width)
    table = fitting(console, lambda names: results_table([last], names), columns(last))
    console.print(table)
    printed = out.getvalue()
    assert max(map(len, printed.splitlines())) <= width
    assert "…" not in printed
    assert all(f"P@{k} " in printed for k in (1, 2, 4, 8, 16, 32))
    assert "cold start" in printed
    assert "greedy" in printed
    said = printed.partition("in results.jsonl: ")[2].replace("\n", " ").split(", ")
    assert sorted(name.strip() for name in said if name) == sorted(left_out)


def test_a_run_ends_with_its_table(finished: Run) -> None:
    *_, table = finished.printed.partition("Held-out problems at the end of each stage (%)")
    header = [word for word in ("stage", "iter", "P@1", "P@2", "P@4", "greedy") if word in table]
    assert header == ["stage", "iter", "P@1", "P@2", "P@4", "greedy"]
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in table.splitlines() if line.startswith("│")]
    last = {row["stage"]: row for row in finished.results}
    assert rows == [
        [name, str(last[name]["iteration"]), f"{100 * last[name]['eval/pass@1']:.1f}"]
        for name in ("cold start", "explore", "exploit")
    ]
    assert f"Run folder: {finished.folder}" in table
