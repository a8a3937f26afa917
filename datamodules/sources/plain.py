"""Rows of pyarrow as plain values."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

from numpy import float16, float32

NARROW = re.compile(r"\b(half)?float\b")
"""In the name of a type: it is, or holds, a number in single or half precision."""


def as_written(table: Any) -> list[dict[str, Any]]:
    """The rows of a table of pyarrow, numbers in single precision as their author wrote them: 0.1, not 0.1000000015."""
    narrow = [field for field in table.schema if NARROW.search(str(field.type))]
    rows = table.to_pylist()
    for row, field in product(rows, narrow):
        row[field.name] = _as_written(row[field.name], field.type)
    return rows


def _as_written(value: Any, kind: Any) -> Any:
    """The same of a value of this type of pyarrow, and of what lists, objects and maps hold."""
    if value is None or not NARROW.search(str(kind)):
        return value
    if isinstance(value, dict) and hasattr(kind, "field"):
        return {name: _as_written(each, kind.field(name).type) for name, each in value.items()}
    if isinstance(value, list):
        inner = getattr(kind, "item_type", getattr(kind, "value_type", None))
        return [_as_written(each, inner) for each in value]
    if isinstance(value, tuple):  # the key and the value of a map
        return (value[0], _as_written(value[1], kind))
    if not isinstance(value, float):
        return value
    return float(str((float16 if str(kind) == "halffloat" else float32)(value)))
