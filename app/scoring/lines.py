"""The lines of JSON that say verdicts on their way from the process that scores to the trainer."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from app.scoring.scorers import LONGEST_ANSWER, LONGEST_CAUSE
from app.types.problems import LONGEST_PART, MOST_PARTS

LONGEST_LINE = 16 * (max(LONGEST_CAUSE, LONGEST_ANSWER) + MOST_PARTS * (LONGEST_PART + 2))
"""Bytes of a verdict: more than its longest cause, or extracted answer with parts, takes in JSON."""


def line_of(*values: Any) -> bytes:
    """A line that holds these values."""
    return json.dumps(values).encode() + b"\n"


def parsed(line: bytes) -> Any:
    """What a line holds; None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def is_verdict(line: Any, batch: int, place: int) -> bool:
    """Is it a score in [0, 1] with what belongs to one, or a cause why there is none, for this answer?"""
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
