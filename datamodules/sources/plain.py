"""Converts rows of pyarrow to plain values."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

from numpy import float16, float32

NARROW = re.compile(r"\b(half)?float\b")
"""Matches names of types that are, or contain, numbers in single or half precision."""


def as_written(table: Any) -> list[dict[str, Any]]:
    """The rows of a pyarrow table; numbers in single precision get their shortest digits: 0.1, not 0.1000000015."""
    narrow = [field for field in table.schema if NARROW.search(str(field.type))]
    rows = table.to_pylist()
    for row, field in product(rows, narrow):
        row[field.name] = _as_written(row[field.name], field.type)
    return rows


def _as_written(value: Any, kind: Any) -> Any:
    """The same for a value of this pyarrow type, including the contents of lists, objects and maps."""
    if value is None or not NARROW.search(str(kind)):
        return value
    if isinstance(value, dict) and hasattr(kind, "field"):
        return {name: _as_written(each, kind.field(name).type) for name, each in value.items()}
    if isinstance(value, list):
        inner = getattr(kind, "item_type", getattr(kind, "value_type", None))
        return [_as_written(each, inner) for each in value]
    if isinstance(value, tuple):  # key and value of a map
        return (value[0], _as_written(value[1], kind))
    if not isinstance(value, float):
        return value
    return float(str((float16 if str(kind) == "halffloat" else float32)(value)))
