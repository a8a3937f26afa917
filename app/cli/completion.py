"""A shell's completion script, small enough to be loaded: jsonargparse's own goes into the arguments of arguments.

It offers an option for every argument of every class that an argument of a class may be: 39,000 options in 82 MB, in
minutes, nearly all of it to read the same signatures again. Here the arguments of a configuration's own classes are
offered, and the classes for each of these, but not the arguments of the latter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any


@contextmanager
def one_level() -> Iterator[None]:
    """Inside, a completion script has the arguments of classes, and not those of classes within them."""
    completions: Any = import_module("jsonargparse._completions")  # private: were it gone, the rest would still run
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
