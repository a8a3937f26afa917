"""Expressions by Python's own parser, step by step in exact fractions; nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from fractions import Fraction

from tests.oracles.reading import inner

SIGNS = str.maketrans("xX\u00d7\u00b7\u22c5\u00f7\u2212[]{}", "*****/-()()")


def steps(answer: str, target: int) -> tuple[list[int], list[Fraction]] | None:
    """The numbers of an expression and the results of its steps, the last one its value; None where it is none.

    `= target` may stand behind it, and `The answer is: ` before. A minus before a number or a bracket is a step
    only at the start of the expression or of a bracket.
    """
    left, equals, told = inner(answer).removeprefix("The answer is: ").partition("=")
    text = re.sub(r"\s+", " ", left.translate(SIGNS)).strip()
    if not re.fullmatch(r"[-+*/() 0-9]+", text) or (equals and told.strip(" \n\t\"'`+") != str(target)):
        return None
    if re.search(r"[-+*/] ?[-+]|(^|\() ?\+|\b0[0-9]", text):
        return None
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    numbers: list[int] = []
    results: list[Fraction] = []
    value = walked(tree, numbers, results)
    return None if value is None else (numbers, [*results, value])


def walked(node: ast.expr, numbers: list[int], results: list[Fraction]) -> Fraction | None:
    """The value of a part, its numbers and its results noted."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        numbers.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = walked(node.operand, numbers, results)
        value = None if inner is None else -inner
    elif isinstance(node, ast.BinOp):
        a, b = walked(node.left, numbers, results), walked(node.right, numbers, results)
        value = None if a is None or b is None else joined(a, node.op, b)
    else:
        return None
    results += [] if value is None else [value]
    return value


def joined(a: Fraction, sign: ast.operator, b: Fraction) -> Fraction | None:
    if isinstance(sign, ast.Div):
        return a / b if b else None
    results: Iterable[tuple[type[ast.operator], Fraction]] = ((ast.Add, a + b), (ast.Sub, a - b), (ast.Mult, a * b))
    return next((value for kind, value in results if isinstance(sign, kind)), None)
