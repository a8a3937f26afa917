"""Sums and lists over processes; `two_processes.py` puts the questions to two."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from app.distributed.processes import (
    gather_over_processes,
    sum_of_counters,
    sum_over_processes,
    union_over_processes,
    world_size,
)
from tests.callbacks.evaluation.test_results import REWARDS, SETS, rolled, tallied


def test_one_process_has_what_it_was_given() -> None:
    values = torch.tensor([1.0, 2.0])
    assert world_size() == 1
    assert torch.equal(sum_over_processes(values), values)
    gathered, first = gather_over_processes(values)
    assert torch.equal(gathered, values)
    assert first == 0
    assert union_over_processes({"a"}) == {"a"}
    assert sum_of_counters(Counter("aab")) == {"a": 2, "b": 1}


def test_two_processes_have_what_both_were_given(two_processes: list[dict[str, Any]]) -> None:
    """Rank 0 brings two values and rank 1 three; then rank 0 none; then neither any."""
    for rank, result in enumerate(two_processes):
        found = result["processes"]
        assert found["world size"] == 2
        assert found["sum"].tolist() == [3.0, 30.0]
        assert found["own"].tolist() == [rank + 1.0, 10.0 * (rank + 1)]  # what was given is not changed
        assert found["both"][0].tolist() == [0.0, 1.0, 10.0, 11.0, 12.0]
        assert found["both"][1] == [0, 2][rank]
        assert found["one"][0].tolist() == [5, 6]
        assert found["one"][1] == 0
        assert found["none"][0].tolist() == []
        assert found["union"] == {"a", "b", "c"}


def test_results_of_two_processes_are_those_of_one(two_processes: list[dict[str, Any]]) -> None:
    """Problems shared out unevenly, one set on one process only; intervals and all."""
    tally = tallied(REWARDS)
    tally.update("B", rolled([[1.0, 0.0, 0.0, 0.0]]), SETS["B"])
    assert [result["results"] for result in two_processes] == [tally.records(SETS)] * 2


def test_dynamic_sampling_draws_what_neither_has_in_an_order_that_both_share(
    two_processes: list[dict[str, Any]],
) -> None:
    first, second = (result["replacements"] for result in two_processes)
    assert first == second != sorted(first, key=int)
    assert sorted(first, key=int) == [str(number) for number in (*range(4, 10), *range(14, 20))]
