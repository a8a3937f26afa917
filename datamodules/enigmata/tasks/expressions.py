"""Evaluates and finds arithmetic expressions of integers with + - * / and brackets, in exact fractions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations

from datamodules.enigmata.tasks.answers import bare, integer

Allowed = Callable[[Fraction], bool]
"""Decides which results of a step are allowed."""
Reached = dict[Fraction, str]
"""Reachable values, with an expression for each."""

LONGEST = 1_000
"""The most characters of an expression; a longer one is invalid."""

ANSWER_IS = "The answer is: "
"""The prefix of expressions in upstream's records."""

_TOKEN = re.compile(r"\s*(?:(0|[1-9][0-9]{0,8})(?![0-9])|([-+*/()]))")
_SIGNS = str.maketrans({**dict.fromkeys("xX\u00d7\u00b7\u22c5", "*"), "\u00f7": "/", "\u2212": "-"})
_BRACKETS = str.maketrans("[]{}", "()()")
_RANK = {"+": 1, "-": 1, "*": 2, "/": 2}


def anything(value: Fraction) -> bool:
    """Allows every result."""
    return True


def tokens(text: str) -> list[str] | None:
    """Numbers, signs and brackets; None if there is anything else."""
    text = text.translate(_SIGNS).translate(_BRACKETS).strip()
    found, place = [], 0
    while place < len(text) <= LONGEST and (match := _TOKEN.match(text, place)):
        found.append(match[1] or match[2])
        place = match.end()
    return found if found and place == len(text) else None


def makes(text: str, numbers: list[int], target: int, allowed: Allowed = anything) -> bool:
    """Whether an expression, optionally followed by `= target`, uses exactly these numbers and has this value."""
    left, equals, right = bare(text).removeprefix(ANSWER_IS).partition("=")
    found = tokens(left)
    if found is None or (equals and integer(right) != target):
        return False
    used = sorted(int(token) for token in found if token.isdecimal())
    return used == sorted(numbers) and evaluate(found, allowed) == target


def evaluate(tokens: list[str], allowed: Allowed = anything) -> Fraction | None:
    """The value of an expression; None if it is invalid or has a step that is not allowed.

    Uses two stacks, no recursion. A minus at the start or after a bracket is subtracted from zero.
    """
    values: list[Fraction] = []
    waiting: list[str] = []  # signs and open brackets
    before = "("  # the start counts as an open bracket
    for token in tokens:
        begins = before == "(" or before in _RANK  # a number or a bracket must follow
        if token in _RANK:
            if begins and (token, before) != ("-", "("):
                return None
            values += [Fraction(0)] if begins else []
            if not settle(values, waiting, _RANK[token], allowed):
                return None
            waiting.append(token)
        elif begins == (token == ")"):
            return None
        elif token == "(":
            waiting.append(token)
        elif token == ")":
            if not settle(values, waiting, 0, allowed) or not waiting:
                return None
            waiting.pop()
        else:
            values.append(Fraction(int(token)))
        before = token
    complete = before != "(" and before not in _RANK and settle(values, waiting, 0, allowed) and not waiting
    return values[0] if complete else None


def settle(values: list[Fraction], waiting: list[str], rank: int, allowed: Allowed) -> bool:
    """Apply waiting steps of at least this precedence, back to the last open bracket; False if one is not allowed."""
    while waiting and waiting[-1] != "(" and _RANK[waiting[-1]] >= rank:
        sign, right, left = waiting.pop(), values.pop(), values.pop()
        value = result(left, sign, right)
        if value is None or not allowed(value):
            return False
        values.append(value)
    return True


def result(left: Fraction, sign: str, right: Fraction) -> Fraction | None:
    """One step; None for a division by zero."""
    if sign == "/":
        return left / right if right else None
    return left + right if sign == "+" else left - right if sign == "-" else left * right


def forms(numbers: list[int], target: int, allowed: Allowed = anything) -> str | None:
    """An expression of all the numbers with this value; None if there is none.

    Complete: the last step of any expression combines a smaller and a larger part. All values of up to three numbers
    are in tables; a larger part is searched for the value that it needs, given the smaller one's.
    """
    tables: dict[tuple[int, ...], Reached] = {}
    failed: set[tuple[tuple[int, ...], Fraction]] = set()

    def table(part: tuple[int, ...]) -> Reached:
        if part not in tables:
            found: Reached = {Fraction(part[0]): str(part[0])} if len(part) == 1 else {}
            for small, large in halves(part):
                for a, left in table(small).items():
                    for b, right in table(large).items():
                        for value, text in steps(a, left, b, right):
                            if value is not None and allowed(value):
                                found.setdefault(value, text)
            tables[part] = found
        return tables[part]

    def reach(part: tuple[int, ...], value: Fraction) -> str | None:
        if len(part) <= 3:
            return table(part).get(value)
        if (part, value) in failed:
            return None
        for small, large in halves(part):
            for a, left in table(small).items():
                if not a and not value:  # 0 times any value
                    return f"({left} * ({' + '.join(map(str, large))}))"
                for b, form in partners(a, value):
                    right = reach(large, b) if allowed(b) else None
                    if right is not None:
                        return form.format(left, right)
        failed.add((part, value))
        return None

    found = reach(tuple(sorted(numbers)), Fraction(target))
    return found[1:-1] if found and found.startswith("(") else found


def steps(a: Fraction, left: str, b: Fraction, right: str) -> Iterator[tuple[Fraction | None, str]]:
    """The six ways to combine two values."""
    yield a + b, f"({left} + {right})"
    yield a * b, f"({left} * {right})"
    yield a - b, f"({left} - {right})"
    yield b - a, f"({right} - {left})"
    yield result(a, "/", b), f"({left} / {right})"
    yield result(b, "/", a), f"({right} / {left})"


def partners(a: Fraction, value: Fraction) -> Iterator[tuple[Fraction, str]]:
    """All b that give the value with a in one step, and the step."""
    yield value - a, "({} + {})"
    yield a - value, "({} - {})"
    yield value + a, "({1} - {0})"
    if a:
        yield value / a, "({} * {})"
        yield value * a, "({1} / {0})"
        if value:
            yield a / value, "({} / {})"


def halves(part: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All distinct ways to split sorted numbers in two, the first part not the larger; the most even first."""
    for size in range(len(part) // 2, 0, -1):
        seen: set[tuple[int, ...]] = set()
        for places in combinations(range(len(part)), size):
            small = tuple(part[place] for place in places)
            if small not in seen:
                seen.add(small)
                yield small, tuple(number for place, number in enumerate(part) if place not in places)
