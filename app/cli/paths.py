"""The working folder's modules, and `~` in a configuration's paths: a shell expands it only at a word's start."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from typing import Any

from app.storage.resume import PLACES

NAMES = (*PLACES, "start_from", "few_shot", "reward_funcs")
"""Arguments that hold a path, or may hold one, besides those whose name ends in "path" or "dir"."""


def expand_home(config: Any, name: str = "") -> Any:
    """Replace `~` and `~user` at the start of every path by the home folder, in place.  -> the configuration, or value

    Args:
        config: a mapping, a Namespace, a list or a value.
        name: of the argument.
    """
    if isinstance(config, (dict, Namespace)):
        values = vars(config) if isinstance(config, Namespace) else config
        for key, value in values.items():
            values[key] = expand_home(value, str(key))
    elif isinstance(config, list):
        config[:] = [expand_home(value, name) for value in config]
    elif isinstance(config, str) and (name in NAMES or name.endswith(("path", "dir"))):
        return os.path.expanduser(config)
    return config


def find_modules_here() -> None:
    """Let the user's modules be found in the working folder: last, to hide no others.

    Raises:
        ValueError: the folder has been removed.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise ValueError("the working folder has been removed: run the command in another one") from None
    if here not in sys.path:
        sys.path.append(here)
