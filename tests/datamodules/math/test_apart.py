"""Expressions that are plainly different, and what is left open."""

from __future__ import annotations

from importlib import import_module

import pytest

from datamodules.math.answers import _parsed
from datamodules.math.apart import apart

pytest.importorskip("math_verify")


def expressions(*texts: str) -> list[object]:
    return [_parsed(text)[0] for text in texts]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\sqrt[3]{2^{3000}-2^{2024}+1}", r"\sqrt[3]{1-2^{2024}+2\cdot 2^{2999}}"),
        (r"\sqrt{2^{3000}+1}", r"\sqrt{1+2\cdot 2^{2999}}"),
        (r"2^{22024}+1", r"1+2\cdot 2^{22023}"),
    ],
)
def test_a_difference_that_is_all_error_is_none(one: str, other: str) -> None:
    assert not apart(*expressions(one, other))


def test_no_large_number_is_tested_for_primality(monkeypatch: pytest.MonkeyPatch) -> None:
    """sympy asks what it knows of a number in random order: here in the one that takes longest."""
    primetest = import_module("sympy.ntheory.primetest")
    isprime = primetest.isprime

    def small_only(number: int) -> bool:
        assert number < 10**1000
        return isprime(number)

    monkeypatch.setattr(primetest, "isprime", small_only)
    monkeypatch.setattr(
        import_module("sympy.core.assumptions"),
        "shuffle",
        lambda facts: facts.sort(key=lambda fact: fact not in ("prime", "composite")),
    )
    assert apart(*expressions('2^2202"4', "2^{2024}-1"))
    assert apart(*expressions("2^{22024}-2^{2024}+1", r"\frac{1}{3}"))
    assert apart(*expressions("2^{22024}-2^{2024}+1", r"\{1, 2\}"))
