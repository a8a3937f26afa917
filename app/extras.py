"""Imports optional dependencies, with the command that installs a missing one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

DISTRIBUTION = "passk-rlvr"
"""The distribution's name. It is in no index, and `passk` on PyPI is an unrelated package: no hint names either."""
ROOT = Path(__file__).resolve().parents[1]


def install(extra: str) -> str:
    """Return the command that installs an extra of pyproject.toml.

    In a clone it names the extra; with an installed wheel it names the packages of the extra.
    """
    if (ROOT / "pyproject.toml").exists():
        place = "." if Path.cwd() == ROOT else str(ROOT)
        return f"pip install -e '{place}[{extra}]'"
    return " ".join(["pip install", *(f"'{each}'" for each in _requirements(extra))])


def needed(module: str, extra: str, whose: str) -> Any:
    """Import a module of an extra; if it is missing, ImportError with the command that installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{whose} needs {error.name or module}: {install(extra)}") from error


def _requirements(extra: str) -> Iterator[str]:
    """The packages of an extra of the installed distribution, with extras in it expanded."""
    try:
        declared = [Requirement(each) for each in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:  # neither a clone nor installed: a copied folder
        return
    for each in declared:
        if each.marker is None or not each.marker.evaluate({"extra": extra}) or each.marker.evaluate({"extra": ""}):
            continue
        if each.name == DISTRIBUTION:
            for other in sorted(each.extras):
                yield from _requirements(other)
        else:
            yield f"{each.name}{each.specifier}"
