"""Finds expressions that are clearly different by their values, before math-verify simplifies or rounds them.

math-verify compares numbers to six places, so that 1.67e-27 equals 9.11e-31 and 1/2006! equals 1/2004!. It simplifies
the difference of other expressions, which may create large numbers: log(x) - n becomes log(x / e^n).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

TOLERANCE = 1.000001e-6
"""Relative difference up to which numbers are equal, if one has a decimal point: 0.333333 is a third."""

DIGITS = 400
"""The most digits lost to cancellation before a difference counts as unknown."""

SURE = 20
"""Bits of a difference that must remain after cancellation; fewer may all be rounding errors."""

_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107)
_FRACTIONS = tuple(zip(_PRIMES, _PRIMES[2:], strict=False))
"""A value for each letter."""


def apart(one: Any, other: Any) -> bool:
    """Whether two expressions have different values at one point for their letters; False if that is not certain.

    Lists, intervals and matrices differ if members differ. A single letter is left to math-verify, which
    parses a word as the product of its letters.
    """
    sympy = import_module("sympy")
    if isinstance(one, sympy.Ne) != isinstance(other, sympy.Ne):
        return True
    if _is_statement(one) and _is_statement(other):
        return type(one) is not type(other) or any(map(_are_unlike, one.args, other.args))
    one, other = _right_sides(one, other)
    if isinstance(one, sympy.MatrixBase) and isinstance(other, sympy.MatrixBase):
        return one.shape != other.shape or any(map(apart, one, other))
    if isinstance(one, sympy.Interval) and isinstance(other, sympy.Interval):
        return apart(one.start, other.start) or apart(one.end, other.end)
    ours, theirs = _members(one), _members(other)
    if ours is not None or theirs is not None:
        if isinstance(one, sympy.Tuple) and isinstance(other, sympy.Tuple):
            return len(one) != len(other) or any(map(apart, one.args, other.args))
        return any(all(apart(mine, its) for its in theirs or (other,)) for mine in ours or (one,))
    if not isinstance(one, sympy.Expr) or not isinstance(other, sympy.Expr):
        return False
    if any(isinstance(side, (sympy.Symbol, sympy.MatrixExpr)) for side in (one, other)):
        return False
    return all(_differ(*_at_a_point(mine, its)) for mine in _values(one) for its in _values(other))


def value_beside(answer: Any, reference: list[Any]) -> list[Any]:
    """A parsed reference to which an answer is compared: of an equation of numbers, 2 + 2 = 4, the value 4.

    math-verify does so with an answer, but not with a reference. Two equations are compared as they are.
    """
    is_equation = _is_statement(reference[0]) and isinstance(reference[0], import_module("sympy").Eq)
    return [reference[0].rhs] if is_equation and not _is_statement(answer) else reference


def _is_statement(value: Any) -> bool:
    """Whether a value is an equation or inequality of numbers, such as 2 + 2 = 4."""
    return isinstance(value, import_module("sympy").core.relational.Relational) and not value.free_symbols


def _are_unlike(one: Any, other: Any) -> bool:
    """Whether two sides of statements differ; what can't be evaluated differs unless it is the same expression."""
    sympy = import_module("sympy")
    sides = (one, other)
    are_values = all(isinstance(side, sympy.Expr) and not isinstance(side, sympy.MatrixExpr) for side in sides)
    are_matrices = all(isinstance(side, sympy.MatrixBase) for side in sides)
    return one != other and (apart(one, other) if are_values or are_matrices else True)


def _values(value: Any) -> tuple[Any, ...]:
    """The value; a percentage gives two, as a share and without its sign."""
    parts = value.atoms(import_module("sympy").UnevaluatedExpr)
    share = value.xreplace({part: part.args[0] for part in parts})
    return (share, 100 * share) if parts else (value,)


def _members(value: Any) -> tuple[Any, ...] | None:
    """The members of a list or set; None if it is empty, and for anything else."""
    sympy = import_module("sympy")
    return value.args or None if isinstance(value, (sympy.Tuple, sympy.FiniteSet)) else None


def _right_sides(one: Any, other: Any) -> tuple[Any, Any]:
    """Both without `x =` (or x and an inequality sign), if both have it for the same x, or only one has it.

    An equation of numbers, `2 + 2 = 4`, is its right side too.
    """
    sympy = import_module("sympy")
    equations = [
        isinstance(side, (sympy.Eq, sympy.Ne)) and (side.lhs.is_Symbol or not side.free_symbols)
        for side in (one, other)
    ]
    if all(equations) and one.lhs != other.lhs:
        return None, None
    return tuple(side.rhs if is_equation else side for side, is_equation in zip((one, other), equations, strict=True))


def _at_a_point(one: Any, other: Any) -> tuple[Any, Any]:
    """Both with a positive fraction substituted for each letter."""
    names = sorted({letter.name for letter in one.free_symbols | other.free_symbols})
    rational = import_module("sympy").Rational
    fractions = {name: rational(below, above) for name, (below, above) in zip(names, _FRACTIONS, strict=False)}
    return tuple(
        side.xreplace({letter: fractions.get(letter.name, letter) for letter in side.free_symbols})
        for side in (one, other)
    )


def _differ(one: Any, other: Any) -> bool:
    """Whether two numbers differ; if one is a decimal, by more than the tolerance."""
    if not one.is_number or not other.is_number:
        return False
    sympy = import_module("sympy")
    if any(side.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan) for side in (one, other)):
        return one != other  # sympy finds sqrt(oo!) equal to any number
    real = sympy.Float
    try:
        # `abs` would check whether they are positive, for which sympy may test a large number for primality
        absolutes = (sympy.Abs(value, evaluate=False) for value in (one - other, one, other))
        gap, *sizes = (value.evalf(15, maxn=DIGITS) for value in absolutes)
    except ValueError:  # mpmath at a pole: no value, equal to nothing
        return True
    except (TypeError, NotImplementedError, ArithmeticError):
        return False
    if not gap.is_finite:
        return True
    if not all(isinstance(value, real) or value.is_Rational for value in (gap, *sizes)) or not gap:
        return False
    if 0 < gap._prec < SURE:
        return False
    is_exact = not (one.has(real) or other.has(real))
    return is_exact or bool(gap > TOLERANCE * max(sizes))
