"""Which installed libraries a pickle's own modules import."""

from __future__ import annotations

import pickletools
import sys
from functools import lru_cache
from types import FunctionType, ModuleType

from app.raised import is_installed


def libraries_of(message: bytes) -> list[str]:
    """The installed modules that the modules of a pickle's classes import, by what this process has imported.

    What a module of the user's imports is looked up in those of the user's that it imports, too. The user's own
    modules are none of them.
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
    """The name of the module that a value is, or comes from."""
    kind = type(value)  # whatever is asked of the object itself may be computed, and raise or warn
    if issubclass(kind, ModuleType):
        name: object = getattr(value, "__name__", "")
    else:
        name = getattr(value if issubclass(kind, type | FunctionType) else kind, "__module__", "")
    return name if isinstance(name, str) else ""


def _is_installed(module: ModuleType) -> bool:
    return is_installed(str(getattr(module, "__file__", None) or ""))
