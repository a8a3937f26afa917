"""Finding the maze wherever the published format may hold it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.maze.verl_format import find_grid
from datamodules.sources import check_source, read_prompt

GRID = ("*****", "*S.E*", "*****")


@pytest.mark.parametrize(
    "row",
    [
        {"reward_model": {"ground_truth": "*****\n*S.E*\n*****"}},
        {"reward_model": {"ground_truth": "\n*****\r\n*S.E*\r\n*****\n"}},
        {"reward_model": {"ground_truth": list(GRID), "style": "rule"}},
        {"reward_model": {"ground_truth": [list(row) for row in GRID]}},
        {"reward_model": {"ground_truth": json.dumps(GRID)}},
        {"reward_model": {"ground_truth": json.dumps({"maze": "\n".join(GRID)})}},
        {"reward_model": {"ground_truth": "RR", "maze": list(GRID)}},
        {"reward_model": json.dumps({"ground_truth": list(GRID)})},
        {"reward_model": {"ground_truth": "RR"}, "extra_info": {"maze": "\n".join(GRID)}},
        {"reward_model": None, "extra_info": {"ground_truth": None, "grid": list(GRID)}},
    ],
)
def test_the_maze_is_found(row: dict[str, Any]) -> None:
    assert find_grid(row) == GRID


JSON = st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))


@given(JSON | st.text().map(lambda text: {"reward_model": {"ground_truth": text}}))
def test_anything_else_is_no_maze(value: Any) -> None:
    grid = find_grid(value)
    assert grid is None or set("".join(grid)) <= set("SE.*")


@pytest.mark.parametrize("value", ["[" * 200_000, '{"maze": ' * 200_000, '"' + "\\" * 1000, {"maze": {"maze": {}}}])
def test_deep_nesting_is_no_maze(value: Any) -> None:
    assert find_grid(value) is None


def test_prompts() -> None:
    messages = [{"role": "system", "content": "a", "name": None}, {"role": "user", "content": "b"}]
    assert read_prompt(messages) == ({"role": "system", "content": "a"}, {"role": "user", "content": "b"})
    assert read_prompt("a\nb") == "a\nb"
    for bad in (None, [], [{"role": "user"}], [1], {"role": "user", "content": "b"}):
        with pytest.raises(ValueError, match="the prompt is neither"):
            read_prompt(bad)


@pytest.mark.parametrize("source", ["mazes.csv", "missing.jsonl", "missing.parquet", "", "/some/dir/file", "a/b/c/d"])
def test_bad_sources(source: str) -> None:
    with pytest.raises(ValueError, match=r"is neither|is not a file"):
        check_source(source)
    check_source("RUC-AIBOX/Passk_Training_Maze")
    check_source("RUC-AIBOX/Passk_Training_Maze:train")
