"""Finds the installed libraries that the user's modules in a pickle import."""

from __future__ import annotations

import pickletools
import sys
from functools import lru_cache
from types import FunctionType, ModuleType

from app.raised import is_installed


def libraries_of(message: bytes) -> list[str]:
    """The installed modules that are imported by the modules of a pickle's classes, as loaded in this process.

    Imports of the user's modules are followed through other modules of the user. The user's own modules are not
    in the list.
    """
    texts = {str(value) for _, value, _ in pickletools.genops(message) if isinstance(value, str) and len(value) < 200}
    names = {name for text in texts for name in (text, text.partition(" ")[0]) if name in sys.modules}
    return list(_imported(tuple(sorted(names))))


@lru_cache(maxsize=16)
def _imported(names: tuple[str, ...]) -> tuple[str, ...]:
    found, seen, waiting = set[str](), set[str](), [*names]
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in seen or module is None:
            continue
        seen.add(name)
        if _is_installed(module):
            found.add(name)
        elif getattr(module, "__file__", None):
            waiting += {_module_of(value) for value in [*vars(module).values()]}
    return tuple(sorted(found))


def _module_of(value: object) -> str:
    """The name of a value if it is a module, else of the module that defines it."""
    kind = type(value)  # attributes of the object itself may be computed, and may raise or warn
    if issubclass(kind, ModuleType):
        name: object = getattr(value, "__name__", "")
    else:
        name = getattr(value if issubclass(kind, type | FunctionType) else kind, "__module__", "")
    return name if isinstance(name, str) else ""


def _is_installed(module: ModuleType) -> bool:
    return is_installed(str(getattr(module, "__file__", None) or ""))
