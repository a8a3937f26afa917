"""Parses and compares numerals without sympy: of any length, with a percent sign, with a base."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import NamedTuple

TOLERANCE = Decimal("1e-6")
"""Relative difference up to which numbers are equal, if one of them has a decimal point."""

PLACES = Decimal("1e-6")
"""Places to which math-verify rounds decimal numbers."""

_NUMERAL = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE](?P<e>[+-]?[0-9]{1,9})|(?:\\times|\\cdot|\*)10\^(?:\{(?P<ten>[+-]?[0-9]{1,9})\}|(?P<one>[0-9])))?"
    r"(?P<percent>\\?%|percent(?:age)?|pct)?"
)
_BASE = re.compile(r"(?<=[0-9)])[ ~]*_(?:\{[ ~]*([0-9a-zA-Z]+)[ ~]*\}|([0-9a-zA-Z]))")
_WORDS: dict[str, str] = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10",
}  # fmt: skip
_EXACT = Context(prec=40, Emax=10**12, Emin=-(10**12))
_LARGE = 30


class Numeral(NamedTuple):
    """A number as written, and whether it is a percentage."""

    value: Decimal
    percent: bool


def parse_numeral(text: str) -> Numeral | None:
    """The number that a text without spaces represents; None if it is no number."""
    match = _NUMERAL.fullmatch(text)
    if not match:
        return None
    exponent = match["e"] or match["ten"] or match["one"] or "0"
    digits = match["sign"] + match["digits"].replace(",", "")
    return Numeral(Decimal(f"{digits}E{exponent}"), match["percent"] is not None)


def same_number(given: Numeral, wanted: Numeral) -> bool:
    """Whether two numbers are equal.

    `5 %` equals 0.05, and 5 too: an answer may omit the reference's percent sign, and a percent sign that the reference
    lacks counts as a unit after a number of 1 or more.
    """
    if given.percent == wanted.percent:
        return _equal(given.value, wanted.value)
    per_hundred, other = (given, wanted) if given.percent else (wanted, given)
    if _equal(_EXACT.scaleb(per_hundred.value, -2), other.value):
        return True
    return (wanted.percent or abs(given.value) >= 1) and _equal(given.value, wanted.value)


def _equal(one: Decimal, other: Decimal) -> bool:
    if one == other:
        return True
    if _is_whole(one) and _is_whole(other):
        return False
    gap, size = abs(_EXACT.subtract(one, other)), max(abs(one), abs(other))
    if gap > _EXACT.multiply(TOLERANCE, size):
        return False
    if size.adjusted() > _LARGE:
        return True
    return _EXACT.quantize(one, PLACES) == _EXACT.quantize(other, PLACES)


def _is_whole(number: Decimal) -> bool:
    """Whether there are only zeros after the decimal point."""
    return number == number.to_integral_value()


def parse_bases(text: str) -> tuple[str, list[str]]:
    """A spelled text without the bases of its numerals, which math-verify ignores; and the bases other than ten."""
    found = (match[1] or match[2] for match in _BASE.finditer(text))
    return _BASE.sub("", text), [base for base in (_WORDS.get(base, base) for base in found) if base != "10"]
