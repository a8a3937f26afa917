"""Tables and numbers in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reproduce.verdicts import Estimate


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def shown(value: Estimate | None, scale: float = 1.0, places: int = 2) -> str:
    """A mean with its interval; "" for None."""
    if value is None:
        return ""
    told = [f"{scale * each:.{places}f}" for each in (value.mean, value.low, value.high) if each is not None]
    return told[0] if len(told) == 1 else f"{told[0]} [{told[1]}, {told[2]}]"
