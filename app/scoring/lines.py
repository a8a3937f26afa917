"""The lines of JSON in which the scoring process sends verdicts to the trainer."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from app.scoring.verdicts import LONGEST_ANSWER, LONGEST_CAUSE
from app.types.problems import LONGEST_PART, MOST_PARTS

LONGEST_LINE = 16 * (max(LONGEST_CAUSE, LONGEST_ANSWER) + MOST_PARTS * (LONGEST_PART + 2))
"""The most bytes of a verdict's line; enough for the longest cause, or extracted answer with parts, in JSON."""


def line_of(*values: Any) -> bytes:
    """A line with these values."""
    return json.dumps(values).encode() + b"\n"


def parsed(line: bytes) -> Any:
    """The values of a line; None if it is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def is_verdict(line: Any, batch: int, place: int) -> bool:
    """Whether a line is a valid verdict on this answer: a score in [0, 1] with its answer and parts, or a cause."""
    match line:
        case [number, index, float(score), "", None | str() as answer, None | dict() as parts]:
            fits = 0 <= score <= 1 and len(answer or "") <= LONGEST_ANSWER and _are_parts(parts or {})
            return (number, index) == (batch, place) and fits
        case [number, index, None, str(cause), None, None]:
            return (number, index) == (batch, place) and 0 < len(cause) <= LONGEST_CAUSE
    return False


def _are_parts(parts: dict[str, Any]) -> bool:
    numbers = all(isinstance(value, float) and isfinite(value) for value in parts.values())
    return numbers and len(parts) <= MOST_PARTS and all(len(name) <= LONGEST_PART for name in parts)
