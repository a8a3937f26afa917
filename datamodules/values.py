"""Converts a column's value to the text of an answer, and compares texts; the only code that converts numbers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isnan
from typing import Any
from unicodedata import category, normalize

LARGEST_EXPONENT = 400
"""The largest power of ten that is written without exponent; a double's largest is 308."""


def text_of(value: Any) -> str:
    """The text of a value: a number in plain decimal digits, anything else as Python prints it.

    A column of JSON or Parquet numbers has 5.0 and 1e-07 where its author wrote 5 and 0.0000001, so a number gets
    neither an exponent nor zeros after its last digit. Never raises: a value that is no number has a text too.
    """
    if isinstance(value, str):
        return value
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    return digits(number) if number.is_finite() else str(value)


def digits(number: Decimal) -> str:
    """A finite number without an exponent, unless it would have hundreds of digits."""
    if abs(number.adjusted()) > LARGEST_EXPONENT:
        return str(number)
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.removeprefix("-") if not number else text


def is_missing(value: Any) -> bool:
    """Whether a value is null or NaN, with which pandas and databases mark missing values."""
    return value is None or (isinstance(value, float) and isnan(value))


def readable(text: str) -> str:
    """The text as a reader sees it: in Unicode's form NFC, without characters that have no width.

    These are of Unicode's category Cf: the byte order mark, zero-width spaces and joiners, the soft hyphen, marks of
    direction. White space stays.
    """
    if text.isascii():
        return text
    return normalize("NFC", "".join(character for character in text if category(character) != "Cf"))


def squeezed(text: str) -> str:
    """A readable text without white space of any kind."""
    return "".join(readable(text).split())
