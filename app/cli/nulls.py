"""Refuses null for an argument whose type has no None; jsonargparse accepts null for every type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from jsonargparse import Namespace

from app.cli.errors import kind_of


def check_nulls(config: Namespace, classes: Mapping[str, type]) -> None:
    """Raise ValueError for a null in a configuration that its argument does not accept.

    Args:
        config: of a command, before its classes are made; `trainer` is Lightning's and not looked at.
        classes: by top-level key, those whose arguments follow directly; others have a `class_path`.
    """
    for key in vars(config).keys() - {"trainer"}:
        for place, kind in _nulls(getattr(config, key), key, classes.get(key)):
            raise ValueError(f"{place}: must be {kind_of(kind.__name__)}, not null")


def _nulls(value: Any, place: str, kind: Any) -> Iterator[tuple[str, type]]:
    """The places of refused nulls inside a value of a type, with the type that each argument has."""
    if isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _nulls(each, f"{place}.{index}", _class_in(kind))
    if not isinstance(value, Namespace):
        return
    if "class_path" in value:
        kind, value = _class_at(value.class_path), value.get("init_args") or Namespace()
    hints = _hints(_class_in(kind))
    for name, each in vars(value).items():
        hint = get_origin(hints.get(name)) or hints.get(name)
        if each is None and isinstance(hint, type) and hint not in (Any, object, NoneType, UnionType):
            yield f"{place}.{name}", hint
        yield from _nulls(each, f"{place}.{name}", hints.get(name))


def _class_at(path: str) -> type | None:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) else None


def _class_in(hint: Any) -> type | None:
    """The class in a type such as `Sampling | None` or `tuple[Stage, ...]`, if it is the only one."""
    found = {each for each in (get_args(hint) or [hint]) if isinstance(each, type) and each is not NoneType}
    return found.pop() if len(found) == 1 else None


def _hints(kind: type | None) -> dict[str, Any]:
    """The types of a class's arguments, and of those that it passes on to its bases."""
    hints: dict[str, Any] = {}
    for base in reversed(kind.__mro__ if kind else ()):
        try:
            parameters = signature(base.__init__).parameters.values()
        except (TypeError, ValueError):  # written in C
            continue
        own = _annotations(base.__init__)
        for each in parameters:
            if each.kind is not Parameter.VAR_KEYWORD:
                hint = own.get(each.name, Any)
                is_class = isinstance(get_origin(hint) or hint, type)
                hints[each.name] = hint | None if is_class and each.default is None else hint
    return hints


def _annotations(function: Any) -> dict[str, Any]:
    """The annotated types of a function; {} if one of them cannot be evaluated, such as a text that is no type."""
    try:
        return get_type_hints(function)
    except Exception:  # evaluating a text may raise anything
        return {}
