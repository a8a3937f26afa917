"""Values of columns as text."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.values import is_missing, readable, squeezed, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"), (5.0, "5"), (-2.50, "-2.5"), (0.0, "0"), (-0.0, "0"), (100.0, "100"), (2**53 + 1, "9007199254740993"),
        (3e-8, "0.00000003"), (6.25e-05, "0.0000625"), (4e17, "400000000000000000"), (1e23, "1" + "0" * 23),
        (1.5e300, "15" + "0" * 299), (1 / 3, "0.3333333333333333"), (1234567.125, "1234567.125"),
        (np.float64(3e-8), "0.00000003"), (np.float32(0.1), "0.1"), (np.int64(7), "7"), (np.float64(7), "7"),
        (Decimal("5.00"), "5"), (Decimal("12.50"), "12.5"), (Decimal("1E+3"), "1000"), (Decimal("-0.00"), "0"),
        (True, "True"), (np.bool_(False), "False"), (math.nan, "nan"), (math.inf, "inf"), (None, "None"),
        ("5.0", "5.0"), ("3e-08", "3e-08"), (" a ", " a "), ([1.0], "[1.0]"), (date(2024, 2, 1), "2024-02-01"),
        (Decimal("1E+5000"), "1E+5000"),
    ],
)  # fmt: skip
def test_a_number_is_written_in_plain_digits_and_text_as_it_is(value: Any, text: str) -> None:
    assert text_of(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.decimals(-(10**9), 10**9))
def test_the_digits_are_the_number(value: Any) -> None:
    text = text_of(value)
    assert set(text) <= set("-.0123456789")
    assert type(value)(text) == value
    assert not text.endswith(".") and not ("." in text and text.endswith("0"))


def test_what_is_missing() -> None:
    assert all(map(is_missing, (None, math.nan, np.float64("nan"))))
    assert not any(map(is_missing, (0, "", "nan", False, [], math.inf)))


@pytest.mark.parametrize(
    ("text", "seen", "bare"),
    [
        ("2 + 2?", "2 + 2?", "2+2?"),
        ("Que\u0301\u00a0 x\n", "Qu\u00e9\u00a0 x\n", "Qu\u00e9x"),
        ("\ufeffa\u200bb\u2060\u00ad\u200e c", "ab c", "abc"),
        ("e\u200d\u0301", "\u00e9", "\u00e9"),
        ("x\u00b2 \uff12 \u4e8c\u3000\u2212", "x\u00b2 \uff12 \u4e8c\u3000\u2212", "x\u00b2\uff12\u4e8c\u2212"),
    ],
)
def test_a_text_as_a_reader_sees_it(text: str, seen: str, bare: str) -> None:
    """Other forms of a character, such as the square of x2 and a wide digit, are other characters."""
    assert (readable(text), squeezed(text)) == (seen, bare)
