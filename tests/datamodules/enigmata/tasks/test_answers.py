"""Reading answers: what is in the block, what is a number, what is a grid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.enigmata.tasks.answers import (
    bare,
    integer,
    integer_grid,
    integers,
    last_block,
    pairs,
    rows,
    said,
    symbol_grid,
    unquoted,
)
from tests.conftest import least_seconds


@pytest.mark.parametrize(
    ("response", "block"),
    [
        ("```\n24\n```", "24"),
        ("```python\n24\n```", "24"),
        ("```24```", "24"),
        ("a ```\n1\n``` b ```\n2\n``` c", "2"),
        ("```\n1\n```\n```\nunfinished", "1"),
        ("```text\n1 2\n3 4\n```", "1 2\n3 4"),
        ("```True\n```", "True"),
        ("```\n\n 1 \n\n```", "1"),
        ("24", None),
        ("", None),
        ("```", None),
        ("``````", None),
        ("```\n```", None),
        ("```\nhalf", None),
        ("```\n" + "1" * 10_001 + "\n```", None),
    ],
)
def test_the_last_complete_block(response: str, block: str | None) -> None:
    assert last_block(response) == block


def test_a_million_characters_take_milliseconds() -> None:
    for text in ("```" * 333_333, "`" * 1_000_000, "```\n" * 250_000, "x" * 1_000_000):
        assert least_seconds(lambda text=text: last_block(text)) < 0.05


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), (" -12 ", -12), ('"3"', 3), ("+4", 4), ("0", 0), ("007", None), ("1.0", None), ("", None), ("²", None),
     ("٣", None), ("1_000", None), ("9" * 10, None), ("4 2", None)],
)  # fmt: skip
def test_a_whole_number(text: str, number: int | None) -> None:
    assert integer(text) == number


@pytest.mark.parametrize(
    "text",
    ["1 2 3", "1, 2, 3", "[1, 2, 3]", "(1;2;3)", "1 | 2 | 3", " 1\n2\n3 ", "{1,2,3}", '"[1, 2, 3]"', "[1, 2, 3].",
     "[1, 2, 3],", "1 2 3.", '"1, 2, 3".'],
)  # fmt: skip
def test_whole_numbers(text: str) -> None:
    assert integers(text) == [1, 2, 3]
    assert integers(text + " x") is None


@pytest.mark.parametrize("text", ["1.5", "1..", "1, 2.0", "[1, .2]", "1 . 2", "1? 2", "-", "[1] [2]"])
def test_no_whole_numbers(text: str) -> None:
    assert integers(text) is None


@pytest.mark.parametrize(
    "text",
    ["1 2\n3 4", "1,2\n3,4", "[[1, 2], [3, 4]]", "[1, 2],\n[3, 4]", "1 2\n\n  3 4  \n", "[[1, 2] , [3, 4]]",
     '"[[1, 2], [3, 4]]"', "[[1, 2], [3, 4]].", "1 2\n3 4.", '"1 2\n3 4"'],
)  # fmt: skip
def test_a_grid_of_numbers(text: str) -> None:
    assert integer_grid(text, 2, 2) == [[1, 2], [3, 4]]
    assert integer_grid(text, 2, 3) is None
    assert integer_grid(text, 3, 2) is None
    assert integer_grid(text + "\n5 6", 2, 2) is None


def test_a_grid_of_symbols() -> None:
    for text in ("*.\n.*", "* .\n. *", "*, .\n., *", '"*" "."\n"." "*"'):
        assert symbol_grid(text, 2, 2, "*.") == ["*.", ".*"]
        assert symbol_grid(text, 2, 2, "*") is None
        assert symbol_grid(text, 2, 1, "*.") is None


def test_words() -> None:
    assert unquoted(' "yes" ') == "yes"
    assert bare(' "yes". ') == bare("'yes.'") == "yes"
    assert said('"No solution."', "no solution")
    assert said('"No solution".', "no solution")
    assert not said("no solution at all", "no solution")
    assert rows(" a \n\n b") == ["a", "b"]


@pytest.mark.parametrize("text", ["(0, 3) (2, 1)", "[(0, 3), (2, 1)]", "[[0, 3], [2, 1]].", '"[(0, 3), (2, 1)]".'])
def test_pairs_of_numbers(text: str) -> None:
    assert pairs(text) == [(0, 3), (2, 1)]
    assert pairs(text + " x") is None


@given(st.text(max_size=300))
def test_every_reader_takes_any_text(text: str) -> None:
    last_block(text)
    last_block(f"```\n{text}\n```")
    for parse in (integer, integers, unquoted, rows):
        parse(text)
    integer_grid(text, 2, 2)
    symbol_grid(text, 2, 2, "ab")
    assert said(text, "yes") in (True, False)
