"""Lazy imports: a package imports names when they are used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def on_demand(package: str, module: str, names: tuple[str, ...]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562) that imports these names from one of its modules.

    A data module imports Lightning, which takes seconds; the scoring process needs only the problems.
    """

    def get(name: str) -> Any:
        if name in names:
            return getattr(import_module(f"{package}.{module}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
