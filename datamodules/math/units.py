r"""Parses the unit after a number in any format: `\mathrm{~cm}`, `\,\text{cm}^2`, cm, km/h, `^\circ`, apples.

math-verify drops what it takes for a unit before it compares, and with it letters of the expression (`5m` equals 5,
and `2ab` equals 2). Here formatting distinguishes a unit from a letter, and 5 m is not 5 km. `parse_unit` expects text
from `forms.spelled`, in which `~` marks text that was in a text command or after a LaTeX space.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple, TypeAlias

Unit: TypeAlias = frozenset[tuple[str, int]]
"""Powers of base names: {("km", 1), ("h", -1)}."""


class Measured(NamedTuple):
    """A value as text, and its unit: None if there is none, or an unknown one."""

    value: str
    unit: Unit | None = None


_SYNONYMS = """
mm millimeter millimetre | cm centimeter centimetre | dm decimeter decimetre | m meter metre
km kilometer kilometre | nm nanometer nanometre | in inch inche | ft foot feet | yd yard | mi mile
mg milligram | g gram gm | kg kilogram kilo | lb pound | oz ounce | ton tonne | s sec second | ms millisecond
min minute | h hr hour | d day | week wk | month | y yr year | ml milliliter millilitre | l liter litre
gal gallon | degree deg | celsius | fahrenheit | rad radian | K kelvin | N newton | J joule | kJ kilojoule | W watt
kW kilowatt | V volt | A ampere amp | Hz hertz | kHz kilohertz | Pa pascal | kPa kilopascal | mol mole | eV
erg | C coulomb | dollar buck usd | cent | euro eur | rupee | yuan | acre | hectare ha | T tesla | pc parsec | au
KB kilobyte | MB megabyte | GB gigabyte | TB terabyte
"""
_NAMES = {name: names[0] for names in map(str.split, re.split(r"[|\n]", _SYNONYMS)) if names for name in names}
_COMPOUND = {
    "mph": (("mi", 1), ("h", -1)), "kmh": (("km", 1), ("h", -1)), "kph": (("km", 1), ("h", -1)),
    "kmph": (("km", 1), ("h", -1)), "cc": (("cm", 3),),
}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS_BEHIND = {"squared": 2, "cubed": 3}
_COUNTED = frozenset(("unit", "time", "way"))
"""Words after a number that do not change its value, alone or with a power ("square units")."""
_NO_UNITS = frozenset((
    "or", "and", "not", "no", "is", "are", "if", "when", "unless", "for", "only", "mod", "modulo", "base", "to",
    "from", "wrong",
    "hundred", "thousand", "million", "billion", "trillion", "dozen", "half", "halves", "third", "quarter", "percent",
    "factorial", "choose", "plus", "minus", "times", "less", "more", "than", "between", "about", "otherwise", "maybe",
    "infinity",
    "sqrt", "sin", "cos", "tan", "log", "ln", "exp", "lim", "max", "incorrect", "false", "but", "with", "where",
    "such", "that",
    "even", "odd", "positive", "negative", "real", "imaginary", "e", "i", "pi", "x", "pct", "percentage", "undefined",
    "none",
    "true", "yes", "approximately", "at", "least", "most", "greater", "fewer", "up",
))  # fmt: skip
"""Words after a number that change its value or comment on it."""

_DEGREE = re.compile(r"(?:\{\})?\^\s*\{?\s*\\circ\s*\}?|\^\s*\{?\s*\\degree\s*\}?|\\degree(?![a-zA-Z])|°")
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[a-zA-Zµ]+|\^\{-?[1-9]\}|\^-?[1-9]|[\s~]+|.", re.DOTALL)
_ORDINAL = re.compile(r"([0-9])[\s~]*(?:\^\s*\{?)?~?(?:st|nd|rd|th)\}?$")
_BEHIND = re.compile(
    r"(.*[0-9})\]])(?:[\s~]+|(?=\([a-zA-Z]{4}))\(([a-zA-Z/.·\s~-]+(?:\^\{?-?[1-9]\}?)?)[\s~]*\)[\s~]*", re.DOTALL
)
"""A unit in brackets, as in ASDiv: 9 (apples)."""
_LABEL = re.compile(r"times|quarters|third[\s~]+[a-z]+")
"""Words that only name what is counted if they are in brackets: 3 (times), 9 (quarters), 123 (third graders)."""
_MEASURES = """
千米 厘米 分米 毫米 公里 公分 米 公斤 千克 毫克 克 斤 吨 毫升 升 公顷 亩 小时 分钟 秒 星期 周 天 年 个月 月 日 岁 度
元 角 美元 个 只 本 人 名 位 次 件 条 张 支 枝 辆 棵 块 页 箱 袋 种 倍 组 头 匹 套 把 双 间 层 台 篇 道题 道 题 盒 瓶
杯 颗 朵 株 场 筐 桶 包 根 段 排 行 枚 艘 架 列 户 班 队 对
"""
_CHINESE_UNIT = f"(?:平方|立方)?(?:{'|'.join(_MEASURES.split())})"
_CHINESE = re.compile(rf"(.*[0-9}})])[\s~]*({_CHINESE_UNIT}(?:/{_CHINESE_UNIT})?)", re.DOTALL)
"""A number with a Chinese unit or measure word: 25平方厘米, 3个, 60千米/小时."""
_CURRENCY = re.compile(r"^(-?)\s*(?:\\\$|[€£¥₹])\s*")


def parse_unit(text: str) -> Measured:
    """Split off the unit at the end of a value, or a currency at its beginning; if there is none, the text itself."""
    if (money := _CURRENCY.match(text)) is not None and text[money.end() :]:
        dollars = frozenset({("dollar", 1)}) if "$" in money[0] else None
        return Measured(money[1] + text[money.end() :].strip("~ "), dollars)
    if chinese := _CHINESE.fullmatch(text):
        return Measured(chinese[1], frozenset({(chinese[2], 1)}))
    if bracketed := _BEHIND.fullmatch(text):
        words, parts = bracketed[2].strip(), re.split(r"[\s~-]+", bracketed[2].strip().lower())
        if _LABEL.fullmatch(words):
            return Measured(bracketed[1])
        if "-" in words and _NO_UNITS.isdisjoint(parts):
            words = re.sub(r"(?<=[a-zA-Z])-(?=[a-zA-Z])", "", words)  # t-shirts
        measured = parse_unit(f"{bracketed[1]}~{words}")
        is_word = measured.unit is not None or re.search(r"[a-zA-Z]{3}", bracketed[2])
        return measured if measured.value == bracketed[1] and is_word else Measured(text)
    text = _ORDINAL.sub(r"\1", _DEGREE.sub(" degree ", text))
    text = re.sub(r" degree [\s~]*(?:degree )?([CF])\b", lambda match: _TEMPERATURES[match[1]], text)
    tokens = _TOKEN.findall(text)
    start = len(tokens)
    while start and _is_part(tokens[start - 1]):
        start -= 1
    places = [place for place in range(start, len(tokens)) if tokens[place][0].isalpha() and place]
    known = [place for place in places if canonical(tokens[place:]) is not None]
    if not places:
        return Measured(text)
    start = known[0] if known else places[0]
    value, words = "".join(tokens[:start]).rstrip(" ~\t\n"), tokens[start:]
    spaced, marked = tokens[start - 1].isspace() or "~" in tokens[start - 1], "~" in tokens[start - 1]
    named = [word for word in words if word[0].isalpha() and word.lower() != "per"]
    unit = canonical(words)
    is_number = re.search(r"[0-9]|\\pi|\\infty", value) or (unit is not None and marked and len(named[0]) > 1)
    if not named or not is_number or not re.search(r"[0-9})\]]$|\\(?:pi|infty)$", value):
        return Measured(text)
    has_letters = bool(re.search(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", value.rpartition("=")[2])))
    if unit is None:
        if has_letters or any(_singular(word.lower()) in _NO_UNITS or word.lower() in _NO_UNITS for word in named):
            return Measured(text)
        counts = marked or (spaced and max(map(len, named)) >= 4)
        return Measured(value) if counts and len(named[0]) > 1 else Measured(text)
    if min(map(len, named)) == 1 and not marked and (has_letters or not spaced or named[0].isupper()):
        return Measured(text)  # a letter of the expression
    return Measured(value, unit)


_TEMPERATURES = {"C": " celsius ", "F": " fahrenheit "}


def _is_part(token: str) -> bool:
    return token[0].isalpha() or token[0].isspace() or token[0] in "~^/·." or token in (r"\cdot", r"\times")


def canonical(words: list[str]) -> Unit | None:
    """The powers of a unit's tokens; None if one of them is unknown."""
    powers, sign, next_power, last = Counter[str](), 1, 1, ""
    for word in words:
        if word.isspace() or word[0] in "~·." or word in (r"\cdot", r"\times"):
            continue
        if word == "/" or word.lower() == "per":
            sign = -1
        elif word[0] == "^" or word.lower() in _POWERS_BEHIND:
            if not last or word == "^":
                return None
            power = _POWERS_BEHIND.get(word.lower()) or int(word.strip("^{}"))
            powers[last] += sign * (power - 1)
        elif word.lower() in _POWERS:
            next_power = _POWERS[word.lower()]
        else:
            found = _COMPOUND.get(word.lower()) or ((_name(word), 1),)
            for name, power in found:
                if name is None:
                    return None
                powers[name] += sign * power * next_power
                last = name
            next_power = 1
    return frozenset((name, power) for name, power in powers.items() if power)


def _name(word: str) -> str | None:
    for form in (word, _singular(word), word.lower(), _singular(word.lower())):
        if form in _NAMES:
            return _NAMES[form]
    return None


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 2 and word.endswith("s") else word
