"""Error messages in one line, with the closest known name or the class that has the argument."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from app.cli.classes import KINDS, alike, classes
from app.cli.trainer_arguments import KNOWN_PRECISIONS
from app.raised import raised_at
from app.storage.files import described

FRAMES = (
    "Parser key",
    "Does not validate against",
    "Subtypes:",
    "Errors:",
    "Given value",
    "Problem with given class_path",
    "Expected a path but",
    "Expected a <class 'NoneType'>",
)
"""Prefixes of the lines that jsonargparse adds around the cause of an error."""

WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    **dict.fromkeys(("list", "tuple", "Sequence"), "a list"),
    **dict.fromkeys(("dict", "Mapping"), "a mapping"),
}
WRONG_TYPE = re.compile(r"^Expected a <class '(?:[\w.]+\.)?(\w+)'>\. Got value: (.*)$")


def one_line(error: BaseException) -> str:
    """An error's message on one line; of jsonargparse's list of attempts only the first cause and the key."""
    if isinstance(error, OSError) and error.strerror:
        return described(error)
    lines = [line.strip().removeprefix("- ") for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if not line.startswith(FRAMES)]
    if len(causes) == len(lines) or not causes:
        return re.sub(r'^Parser key "([^"]+)":', r"\1:", " ".join(lines)) or type(error).__name__
    keys = [line.split('"')[1] for line in lines if line.startswith("Parser key")]
    given = [line.removeprefix("Given value: ") for line in lines if line.startswith("Given value: ")]
    plain = (
        given
        and given[0][0] not in "{N"
        and " object at " not in given[0]
        and not re.search("Got value|did you mean", causes[0])
    )
    got = f". Got value: {given[0]}" if plain else ""
    cause = WRONG_TYPE.sub(_not_of_type, causes[0] + got)
    return ": ".join(part for part in [".".join(keys), cause] if part)


def _not_of_type(found: re.Match[str]) -> str:
    return f"must be {kind_of(found[1])}, not {'null' if found[2] == 'None' else found[2]}"


def kind_of(name: str) -> str:
    """The values of a type, by the type's name: "an integer" for int."""
    return WORDS.get(name, f"a {name}")


def placed(message: str, error: BaseException) -> str:
    """An error's message with the line of the user's code that it was raised in, if any."""
    raised = raised_at(error)
    if raised is None:
        return message
    cause, place = raised
    said = " ".join(str(cause).split())  # what wraps an error may have lost its message
    return f"{message} ({type(cause).__name__} in {place}{'' if said in message else f': {said}'})"


OPTION = re.compile(r"Problem with given class_path '([\w.]+)':\s+Option '([\w.]+)' is not accepted")
PRECISION = re.compile(r'Parser key "trainer.precision":.*Given value: (\S+)$', re.DOTALL)


def hinted(message: str, parser: Any) -> str:
    """An error's message with "did you mean" after an unknown name that is similar to a known one."""
    wrong = PRECISION.search(message)
    if wrong:
        return f"trainer.precision={wrong[1]} must be {KNOWN_PRECISIONS}"
    if "did you mean" in message:  # added by the command's parser
        return message
    message = OPTION.sub(_argument, message)
    options = [name for each in _with_commands(parser) for name in each._option_string_actions]
    options = [name for name in options if re.fullmatch(r"--[\w.]+(?<!\.help)", name)]
    for pattern, close in _patterns(options).items():
        message = re.sub(pattern, lambda found, close=close: found[0] + _meant(close(found)), message)
    return re.sub(r"module '([\w.]+)' has no attribute '\w+'", lambda found: found[0] + _hiding(found[1]), message)


def _hiding(module: str) -> str:
    """Names the file in the working folder that is hidden by an installed module of the same name."""
    wanted, file = Path(*module.split(".")).with_suffix(".py"), getattr(sys.modules.get(module), "__file__", None)
    if not wanted.is_file() or (file is not None and wanted.samefile(file)):
        return ""
    return f" ({file or 'it is built into Python'} comes before {wanted} of this folder: give that another name)"


def _patterns(options: list[str]) -> dict[str, Callable[[re.Match[str]], str | None]]:
    """Patterns of messages with an unknown name, and functions that find the closest known one."""
    return {
        r"unrecognized arguments: (--[\w.]+)(=\S*)?( .*)?": lambda found: _option(found[1], options),
        r"does not accept option '([\w.]+)'": lambda found: _option(f"--{found[1]}", options),
        r"Expected a dot import path string: (\w+)": lambda found: alike(found[1]),
        r"module '([\w.]+)' has no attribute '(\w+)'": lambda found: _closest(found[2], vars(import_module(found[1]))),
    }


def _with_commands(parser: Any) -> list[Any]:
    """A parser and the parsers of its commands."""
    commands = parser._subcommands_action
    return [parser, *(commands._name_parser_map.values() if commands else ())]


def _closest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def _option(name: str, options: list[str]) -> str | None:
    """The closest option: by its own name within the same section, or else by its full name."""
    section, _, own = name.rpartition(".")
    there = {each.rpartition(".")[2]: each for each in options if each.rpartition(".")[0] == section}
    close = get_close_matches(own, there, n=1, cutoff=0.75) if section else []
    return there[close[0]] if close else next(iter(get_close_matches(name, options, n=1, cutoff=0.85)), None)


def _meant(close: str | None) -> str:
    return f": did you mean {close}?" if close else ""


def _argument(found: re.Match[str]) -> str:
    """For an argument that its class does not have: the closest one of the class, or the classes that have it."""
    path, option = found[1], found[2]
    own = _arguments(path)
    refused = f"Option '{option}' is not accepted by {path}"
    close = _closest(option, own)
    if close:
        return refused + _meant(close)
    others = [name for kind in KINDS if path in _paths(kind) for name, has in _having(kind).items() if option in has]
    return refused + (
        f": give a class first that has it, {' or '.join(others)}" if others else f", which has {', '.join(own)}"
    )


def _paths(kind: str) -> set[str]:
    return {known.path for known in classes(kind).values()}


def _having(kind: str) -> dict[str, list[str]]:
    """The arguments of every class of a kind; [] for one that cannot be imported."""
    return {name: _arguments(known.path) for name, known in classes(kind).items()}


def _arguments(path: str) -> list[str]:
    module, _, name = path.rpartition(".")
    try:
        return list(inspect.signature(getattr(import_module(module), name)).parameters)
    except (ImportError, ValueError, TypeError):
        return []
