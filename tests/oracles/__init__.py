"""Does this answer solve this puzzle? Said a second time for each task, as plainly as can be and apart from its scorer.

`tests.oracles.<name>.right(question, answer)` reads the answer out of its block by itself and knows the rules by
itself: what the scorer and it disagree on is a mistake of one of them. An oracle may be slow, and it need not stand
what a scorer has to; the reference answer is never looked at. Tests and `python -m benchmarks.enigmata` ask it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from datamodules.enigmata.tasks.task import Question

Oracle = Callable[[Question, str], bool]


def oracle_named(name: str) -> Oracle:
    """The oracle of the task that upstream calls this."""
    return import_module(f"tests.oracles.{name.lower()}").right
