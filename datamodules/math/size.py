r"""Bounds the size of an expression from its text, so that `9^{9^{9}}` is never computed.

One pass over the tokens estimates upper bounds, without evaluating anything, of the decimal digits of the
product of everything, and of the degree of the polynomial. Both are summed along a
group and multiplied by an exponent. It is no proof: an expression made to evade it meets the time
limit of the scoring process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from math import comb, log10

LONGEST = 300
"""The most characters of an expression."""
DIGITS = 10_000
"""The most decimal digits of an expression's numbers: 3^{2025} and 2024! have fewer."""
ROOT_DIGITS = 1_000
"""The same for an expression with a root to be simplified, since sympy factors its argument."""
TERMS = 500
"""The most terms of a polynomial when it is expanded."""
DEPTH = 10
"""The most nested brackets: the parser's time is exponential in them."""

OPERATORS = frozenset((
    "sum", "prod", "coprod", "int", "iint", "iiint", "oint", "lim", "limsup", "liminf", "bigcup", "bigcap", "uparrow",
    "lfloor", "rfloor", "lceil", "rceil",
))  # fmt: skip
"""Commands for a computation instead of a result; an answer with one is not simplifiable."""
BINOMIALS = frozenset(("binom", "dbinom", "tbinom", "choose"))
STRUCTURE = frozenset((
    "frac", "dfrac", "tfrac", "cfrac", "sqrt", "left", "right", "cdot", "times", "div", "pm", "mp", "begin", "end",
    "text", "mathrm", "mathbf", "mathbb", "circ", "degree", "sin", "cos", "tan", "cot", "sec", "csc", "arcsin",
    "arccos", "arctan", "log", "ln", "lg", "exp", "infty", "cup", "cap", "in", "notin", "le", "leq", "ge", "geq",
    "lt", "gt", "ne", "neq", "quad", "qquad", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "displaystyle", "ldots",
    "cdots", "dots", "mid",
))  # fmt: skip
"""Commands that count as neither a number nor a letter."""

_TOKEN = re.compile(r"\\([a-zA-Z]+)|\\(.)|([0-9]+(?:\.[0-9]+)?)|(\*\*|\^)|([a-zA-Z])|([{(\[])|([})\]])|(!)", re.DOTALL)
_FRACTION = re.compile(r"[/.]|\\(?:[dtc]?frac|div)|\^|\*\*")
"""Tokens that make, or may make, an exponent a root."""
_NUMERALS = re.compile(
    r"\s*[{(]\s*-?\s*(?:\\[dtc]?frac\s*\{([0-9]{1,9})\}\s*\{([0-9]{1,9})\}|([0-9]{1,9})\s*/\s*([0-9]{1,9}))\s*[})]"
)
"""An exponent that is a fraction of two numerals."""
_BRACKET = re.compile(r"[{}()\[\]]")
_LAYOUT = re.compile(r"\\[!,;:> ]")
_BEGIN = re.compile(r"\\begin\s*\{(?:[a-z]*matrix|array|cases|aligned|gathered)\*?\}(?:\s*\{[clr|]*\})?")
_END = re.compile(r"\\end\s*\{(?:[a-z]*matrix|array|cases|aligned|gathered)\*?\}")


@dataclass(frozen=True)
class Size:
    """The size of a part of an expression.

    Attributes:
        digits: decimal digits; a letter counts as half a digit, since e and pi are letters.
        numbers: decimal digits of parts that have only numerals.
        degree: the polynomial degree in the letters.
    """

    digits: float = 0.0
    numbers: float = 0.0
    degree: float = 0.0

    def __add__(self, other: Size) -> Size:
        return Size(self.digits + other.digits, self.numbers + other.numbers, self.degree + other.degree)

    def to_the(self, exponent: Size) -> Size:
        times, numeral = value_of(exponent.digits), value_of(exponent.numbers)
        return Size(self.digits * times, self.numbers * numeral, self.degree * numeral + exponent.degree)

    def factorial(self) -> Size:
        return Size(self.digits * value_of(self.digits), self.numbers * value_of(self.numbers), self.degree)


LETTER = Size(digits=0.5, degree=1)


def value_of(digits: float) -> float:
    """10 ** digits, limited to a value that is rejected anyway."""
    return 10 ** min(digits, 9.0)


def is_simplifiable(expression: str) -> bool:
    """Whether sympy may simplify this: computable, no root of a large number, and not too many terms."""
    if not is_computable(expression):
        return False
    tokens = _tokens(expression)
    size, _ = _sum(tokens, 0)
    if size.digits > ROOT_DIGITS and _has_root(tokens):
        return False
    letters = len({token[0] for token in tokens if token[5] or (token[1] and token[1] not in STRUCTURE)})
    return size.degree <= TERMS and comb(int(size.degree) + letters, letters) <= TERMS


def is_computable(expression: str) -> bool:
    """Whether sympy may compute this: balanced, not nested too deep, without commands of WORK, and not too large."""
    if len(expression) > LONGEST or not is_balanced(expression) or max(depths(expression), default=0) > DEPTH:
        return False
    tokens = _tokens(expression)
    return not any(token[1] in OPERATORS for token in tokens) and _sum(tokens, 0)[0].digits <= DIGITS


def _tokens(expression: str) -> list[re.Match[str]]:
    """The tokens; a matrix gets brackets, so that its power applies to all entries."""
    return list(_TOKEN.finditer(_LAYOUT.sub("", _END.sub(")", _BEGIN.sub("(", expression)))))


def _has_root(tokens: list[re.Match[str]]) -> bool:
    r"""Whether there is a `\sqrt`, or an exponent that may be a fraction."""
    for place, token in enumerate(tokens):
        if token[1] == "sqrt":
            return True
        if token[4]:
            _, end = _power(tokens, place + 1)
            if _FRACTION.search(token.string[token.end() : tokens[end - 1].end()]):
                return True
    return False


def is_balanced(expression: str) -> bool:
    """Whether every bracket has a closing one, of any kind: [0, 1) is an interval."""
    levels = depths(expression)
    return not levels or (min(levels) >= 0 and levels[-1] == 0)


def depths(expression: str) -> list[int]:
    """How many brackets are open after each bracket."""
    return list(accumulate(1 if letter in "{([" else -1 for letter in _BRACKET.findall(expression)))


def _sum(tokens: list[re.Match[str]], place: int) -> tuple[Size, int]:
    """The size of the part before the next closing bracket, and the index after that bracket."""
    total = Size()
    while place < len(tokens):
        if tokens[place][7]:
            return total, place + 1
        part, place = _power(tokens, place)
        total += part
    return total, place


def _power(tokens: list[re.Match[str]], place: int) -> tuple[Size, int]:
    """The size of an atom with its factorials and exponent, which may have its own exponent; and the index after it."""
    size, place = _atom(tokens, place)
    while place < len(tokens) and tokens[place][8]:
        size, place = size.factorial(), place + 1
    if place < len(tokens) and tokens[place][4]:
        (exponent, end), text = _power(tokens, place + 1), tokens[place].string[tokens[place].end() :]
        if fraction := _NUMERALS.match(text):  # (x^{1/4})^15: its larger side bounds it
            exponent = _number(max((side for side in fraction.groups() if side), key=int))
        size, place = size.to_the(exponent), end
    return size, place


def _number(numeral: str) -> Size:
    digits = log10(max(float(numeral), 2.0))
    return Size(digits, digits)


def _atom(tokens: list[re.Match[str]], place: int) -> tuple[Size, int]:
    """The size of a number, a letter, a group or a command, and the index after it."""
    if place >= len(tokens):
        return Size(), place
    command, _, number, _, letter, opening, _, _ = tokens[place].groups()
    if opening:
        return _sum(tokens, place + 1)
    if number:
        return _number(number), place + 1
    if command in BINOMIALS:
        upper, place = _atom(tokens, place + 1)
        return Size(value_of(upper.digits), value_of(upper.numbers), upper.degree), place
    if letter or (command and command not in STRUCTURE):
        return LETTER, place + 1
    return Size(), place + 1
