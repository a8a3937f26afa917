"""Expands `~` in the paths of a configuration, which a shell does only at the start of a word."""

from __future__ import annotations

import os
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
