"""The unit behind a number, told from letters and from words that change it."""

from __future__ import annotations

import pytest

from datamodules.math.answers import equivalent
from datamodules.math.forms import spelled
from datamodules.math.units import parse_unit

pytest.importorskip("math_verify")


@pytest.mark.parametrize(
    "answer",
    [
        r"12 \mathrm{~cm}", r"12\mathrm{cm}", r"12 \text{ cm}", r"12\text{cm}", "12 cm", "12cm", r"12\,\text{cm}",
        r"12\;\mathrm{cm}", r"12~\textrm{cm}",
        r"\text{12 cm}", r"12\ \text{centimeters}", "12 centimetres", r"12 {\rm cm}", "$12$ cm", r"\(12\) cm",
        r"12.0\text{ cm.}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("reference", ["12", r"12 \mathrm{~cm}", "12 cm"])
def test_a_unit_is_set_in_many_ways(answer: str, reference: str) -> None:
    assert equivalent(answer, reference)
    assert equivalent(reference, answer)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (r"12\,\text{cm}^2", "12"), (r"12 \mathrm{~cm}^{3}", "12"), (r"12\text{ cm}^{2}", "12"), ("12 km/h", "12"),
        (r"12\text{ km}/\text{h}", "12"),
        (r"12 \mathrm{~m} / \mathrm{s}^{2}", "12"), (r"12\,\mathrm{m\cdot s^{-1}}", "12"),
        ("12 miles per hour", "12"), (r"12 \text{ sq. m}", "12"),
        (r"90^\circ", "90"), (r"90^{\circ}", "90"), ("90°", "90"), ("90 degrees", "90"), (r"90^\circ\text{C}", "90"),
        (r"90^{\circ} \mathrm{F}", "90"),
        (r"\frac{1}{3}\text{ meters}", r"\frac{1}{3}"), (r"3\sqrt{2} \text{ in}", r"3\sqrt{2}"),
        (r"2\pi \mathrm{~m}", r"2\pi"),
        (r"12\text{ square units}", "12"), ("12 apples", "12"), (r"12\text{ ways}", "12"), ("12th", "12"),
        (r"12^\text{th}", "12"),
        (r"\$12", "12"), ("x = 12 cm", "x = 12"), ("12 m", "12"), ("€12", "12"),
        (r"\frac{5x}{2} \text{ cm}^2", r"\frac{5x}{2}"),
        ("12 (apples)", "12"), (r"12 \text{ (apples)}", "12"), ("12(pears)", "12"), ("1/2 (foot)", "1/2"),
        ("12元", "12"), (r"12 \text{平方厘米}", "12"), ("$12$个", "12"), ("12千米/小时", "12"),
        (r"\frac{1}{2}小时", r"\frac{1}{2}"),
        ("12 ( miles per hour )", "12"), ("12 (cm^2)", "12"), ("12 (m)", "12"), ("12 (men)", "12"),
        ("12 (t-shirts)", "12"), ("12 (cut-outs of trees)", "12"), ("12 (times)", "12"), ("12 (quarters)", "12"),
        ("12 (third graders)", "12"), ("12 (GB)", "12"), ("12 GB", "12"),
    ],
)  # fmt: skip
def test_a_unit_is_taken_off(answer: str, value: str) -> None:
    assert parse_unit(spelled(answer)).value == spelled(value)


@pytest.mark.parametrize(
    "answer",
    [
        "12", "12x", "12m", "3 a m", "x + m", "2ab", "a b c", r"12 \text{ million}", r"12 \text{ or more}", "12 or",
        r"12\text{ if even}", "12 million",
        r"3\mathrm{e}", r"3\text{i}", r"\text{cm}", r"\text{Paris}", "12 dozen", "12 factorial", r"n \text{ odd}",
        "12 N", "12 xyz", "5^2", r"12\text{ mod }5",
        "2 sin", r"2\pi", "12 is wrong", "12 maybe", r"\sqrt{m}", "12 i", "2s^", "2s^x", "12 ^ cm", r"A^\mathrm{T}",
        "12 (or 13)", "12 (mod 5)", "12 (x)", "12(m)", "12 (ab)", "12 (wrong)", "12 (million)", "12 (pi)", "f (x)",
        "12 (quarter)", "12 (third)", "12 times", "12 quarters", "12 (dozen-odd)", "12 (x-y)", "12 (-)",
        "12 (5)", "12万", "12亿", "12万元", "12是错的", "12或13", "12点30分", "12折", "百分之12", "元", "12x元素",
    ],
)  # fmt: skip
def test_what_is_no_unit_stays(answer: str) -> None:
    assert parse_unit(spelled(answer)).value == spelled(answer)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 m", "5 km"), (r"5\text{ m}", r"5 \mathrm{~cm}"), (r"5\text{ cm}^2", r"5\text{ cm}^3"),
        ("5 km/h", "5 m/s"), (r"5^\circ", r"5\text{ radians}"),
        ("5 hours", "5 minutes"), ("5 GB", "5 MB"), (r"\$5", "5 cents"), (r"5\text{ cm}", r"5\text{ cm}^2"),
        (r"5^\circ\text{C}", r"5^\circ\text{F}"), ("5 m", r"6\text{ m}"), ("5 (m)", "5 (km)"), ("5 (apples)", "6"),
        ("5米", "5厘米"), ("5米", "5平方米"), ("5万", "5"), ("5个", "6"),
    ],
)  # fmt: skip
def test_other_units_are_other_answers(one: str, other: str) -> None:
    assert not equivalent(one, other)
    assert not equivalent(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 mph", r"5\text{ miles per hour}"), ("5 km/h", r"5 \mathrm{~km} \mathrm{~h}^{-1}"),
        (r"5\text{ square meters}", r"5\text{ m}^2"),
        ("5 sec", "5 seconds"), ("5°", r"5^{\circ}"), ("5 feet", "5 ft"),
        (r"5\text{ cubic inches}", r"5\text{ in}^3"), (r"5\text{ units}", r"5\text{ cm}"),
    ],
)  # fmt: skip
def test_one_unit_has_many_names(one: str, other: str) -> None:
    assert equivalent(one, other)
    assert equivalent(other, one)
