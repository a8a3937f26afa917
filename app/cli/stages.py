"""Changes of a schedule's stages by name, from an overlay or the command line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from jsonargparse._loaders_dumpers import load_value
from jsonargparse._typehints import ActionTypeHint
from jsonargparse._util import NestedArg

from callbacks.schedule.schedule import StageSchedule
from callbacks.schedule.stages import Rounds, Stage

Part = dict[str, Any]
"""A stage, or rounds of stages, as a mapping from YAML."""

OF_STAGE, OF_ROUNDS = ([field.name for field in fields(kind)] for kind in (Stage, Rounds))
CLASSES = ("advantage", "until", "loss", "learning_rate", "engine")
"""The settings of a stage that are classes with arguments."""
SHORT = ("advantage", "until")
"""The settings whose class arguments may be given without their name: `explore.k` is `explore.advantage.k`."""


class StagesAction(ActionTypeHint):
    """The type of `schedule.stages`: a list replaces the schedule, a mapping changes its stages by name."""

    def _check_type(self, value: Any, append: bool = False, cfg: Any = None, mode: Any = None) -> Any:
        if isinstance(value, NestedArg):
            value = _nested(value.key.split("."), load_value(value.val) if isinstance(value.val, str) else value.val)
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            value = load_value(value)
        if isinstance(value, Mapping | Namespace):
            try:
                value = merged(_plain(cfg.get(self.dest) if cfg else None) or [], _plain(value))
            except ValueError as error:
                raise TypeError(f'Parser key "{self.dest}":\n{error}') from error
        return super()._check_type(value, append=append, cfg=cfg if append else None, mode=mode)


def stages_by_name(parser: ArgumentParser) -> None:
    """Make the parser's argument `--schedule.stages` accept changes by name."""
    next(action for action in parser._actions if action.dest == "schedule.stages").__class__ = StagesAction


def spelt_out(arguments: Sequence[str]) -> list[str]:
    """Replace `--schedule.explore.k` by `--schedule.stages.explore.k` in command-line arguments."""
    own = [*inspect.signature(StageSchedule).parameters, "help"]
    begin = "--schedule."
    is_stage = [each.startswith(begin) and re.split("[.=+]", each[len(begin) :])[0] not in own for each in arguments]
    return [
        f"{begin}stages.{each[len(begin) :]}" if named else each
        for each, named in zip(arguments, is_stage, strict=True)
    ]


def merged(stages: list[Part], changes: Part) -> list[Part]:
    """Apply changes by name to the stages.

    Null removes a stage, or rounds; a new name with an advantage or stages is added at the end.
    ValueError for an unknown name or key.
    """
    stages = deepcopy(stages)
    for name, change in changes.items():
        found = [(parts, part) for parts, part in _everywhere(stages) if part.get("name") == name]
        if len(found) > 1:
            raise ValueError(f"{len(found)} stages are called {name!r}: give `stages` as a list")
        if not found and _is_whole(change):
            stages.append({"name": name, **change})
            continue
        if not found:
            names = [part["name"] for _, part in _everywhere(stages) if "name" in part]
            raise ValueError(f"no stage {name!r}{meant(name, names)} (a new one needs an `advantage`)")
        ((parts, part),) = found
        if change is None:
            parts.remove(part)
        elif isinstance(change, dict):
            parts[parts.index(part)] = _changed(part, change)
        else:
            raise ValueError(f"stage {name!r} takes a mapping of changes, or null to be left out. Got: {change!r}")
    return stages


def meant(name: str, known: Iterable[str]) -> str:
    """The hint after an unknown name: the closest known name, or all of them."""
    known = list(known)
    close = get_close_matches(name, known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": there are {', '.join(known)}"


def _is_whole(change: Any) -> bool:
    """Whether this is a complete stage, not a change of one."""
    if not isinstance(change, dict):
        return False
    advantage = change.get("advantage")
    return (
        "stages" in change or isinstance(advantage, str) or (isinstance(advantage, dict) and "class_path" in advantage)
    )


def _everywhere(parts: list[Part]) -> Iterator[tuple[list[Part], Part]]:
    """Every stage and rounds, with the list that contains it."""
    for part in parts:
        yield parts, part
        yield from _everywhere(part.get("stages") or [])


def _changed(stage: Part, changes: Part) -> Part:
    """The stage with changed settings, or changed arguments of its advantage or trigger."""
    stage, own = dict(stage), OF_ROUNDS if "repeat" in stage else OF_STAGE
    for key in sorted(changes, key=lambda key: key not in own):  # a new class before its arguments
        change, into = changes[key], key
        if key not in own:
            into, change = _owner(stage, key, own), {key: change}
        if into == "stages" and isinstance(change, dict):
            stage[into] = merged(stage[into], change)
            continue
        if into in CLASSES and stage.get(into) is None and isinstance(change, dict) and "class_path" not in change:
            raise ValueError(f"stage {stage['name']!r} has no {into} of its own: give `{into}.class_path` first")
        stage[into] = _overlaid(stage.get(into), change)
    return stage


def _owner(stage: Part, key: str, own: list[str]) -> str:
    """The setting of the stage whose class has an argument of this name; ValueError if none has."""
    arguments = {name: _arguments(stage.get(name)) for name in SHORT}
    owner = next((name for name in SHORT if key in arguments[name]), None)
    if owner is None:
        known = [*own, *(argument for name in SHORT for argument in arguments[name])]
        raise ValueError(f"stage {stage['name']!r} has no {key!r}{meant(key, known)}")
    return owner


def _arguments(given: Any) -> list[str]:
    """The names of a class's arguments; the class as in YAML."""
    if not isinstance(given, dict) or "class_path" not in given:
        return []
    module, _, name = given["class_path"].rpartition(".")
    known = inspect.signature(getattr(import_module(module), name)).parameters if module else {}
    return [*dict.fromkeys([*known, *(given.get("init_args") or {})])]


def _overlaid(before: Any, after: Any) -> Any:
    """Merge changes into a value; a new class keeps nothing of the old value."""
    if not isinstance(before, dict):
        return after
    if "class_path" in before:
        if isinstance(after, str):
            after = {"class_path": after}
        if isinstance(after, dict) and not after.keys() & {"class_path", "init_args", "dict_kwargs"}:
            after = {"init_args": after}
        if not isinstance(after, dict) or not _same(before["class_path"], after.get("class_path")):
            return after
        after = {key: value for key, value in after.items() if key != "class_path"}
    if not isinstance(after, dict):
        return after
    return {**before, **{key: _overlaid(before.get(key), value) for key, value in after.items()}}


def _same(path: str, other: str | None) -> bool:
    """Whether two class paths, which may be short, name the same class."""
    return other is None or path.rpartition(".")[2] == other.rpartition(".")[2]


def _nested(keys: list[str], value: Any) -> Any:
    """A nested mapping with these keys and the value at its end."""
    for key in reversed(keys):
        value = {key: value}
    return value


def _plain(value: Any) -> Any:
    """Plain data as in YAML: jsonargparse's namespaces and dataclasses become mappings."""
    if isinstance(value, Namespace):
        value = vars(value)
        value = vars(value["init_args"]) if value.get("__subclasses_disabled__") else value
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
