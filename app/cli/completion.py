"""A shell completion script of usable size: jsonargparse's own includes arguments of nested classes.

It has an option for every argument of every class that an argument of a class can be: 39,000 options in 82 MB, which
takes minutes, mostly to read the same signatures repeatedly. Here the script has the arguments of a configuration's
own classes, and the classes that each can be, but not the arguments of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any


@contextmanager
def one_level() -> Iterator[None]:
    """A context in which a completion script has the arguments of classes, but not of classes nested in them."""
    completions: Any = import_module("jsonargparse._completions")  # private; only this needs it
    add, read = completions.add_subactions_and_get_subclass_choices, completions.get_signature_parameters
    depth = 0

    def add_at_first(typehint: Any, prefix: Any, *rest: Any, **options: Any) -> list[str]:
        nonlocal depth
        depth += 1
        try:
            return add(typehint, prefix if depth == 1 else None, *rest, **options)
        finally:
            depth -= 1

    completions.add_subactions_and_get_subclass_choices = add_at_first
    completions.get_signature_parameters = cache(lambda kind, method, logger: read(kind, method, logger=logger))
    try:
        yield
    finally:
        completions.add_subactions_and_get_subclass_choices = add
        completions.get_signature_parameters = read
