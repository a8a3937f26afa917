"""The help of a command: passk's arguments first; those of Lightning's Trainer only with `--help_all`."""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action, _HelpAction
from copy import copy
from typing import Any

from jsonargparse import DefaultHelpFormatter

ORDER = (
    *("schedule", "model", "data", "rollout", "draw", "replay"),
    *("evaluation", "chat", "checkpoints", "entropy_switch"),
)
"""The sections of a configuration, in the order of the help, after the command's own arguments."""
LATER = "trainer"
MODULES = re.compile(r"\b(?:app|callbacks|datamodules|lightning|torch|torchmetrics|transformers)\.(?:\w+\.)*(?=[A-Z])")
"""The module part of a class path."""
COMMAND = {
    "ckpt_path": "checkpoint to load: a file or a run folder, or `last` or `best` of the newest run that has one",
    "seed_everything": "seed of weights and rollouts; true: that of the environment's PL_GLOBAL_SEED, or 0",
    "weights_only": "whether to read only plain data from it; passk's checkpoints have nothing else",
}
"""Short help texts for Lightning's own arguments of a command."""
LONGEST = 160
"""The most characters printed of a default, or of the names of classes."""
EPILOG = """--KEY.help lists the classes for a key, and --KEY.help CLASS a class's arguments; --help_all prints all of
them, and Lightning's Trainer. A stage is changed by its name, as in --schedule.explore.k 4."""


class HelpAll(_HelpAction):
    """The action of `--help_all`."""

    def __call__(self, parser: Any, *arguments: Any) -> None:
        parser.shows_all = True
        super().__call__(parser, *arguments)


class ShortHelp(DefaultHelpFormatter):
    """Prints class names without modules, and leaves out long lists."""

    def _expand_help(self, action: Action) -> str:
        text = super()._expand_help(action)
        text = MODULES.sub("", text)
        found = re.search(r", known subclasses: (.*)\)$", text, re.DOTALL)
        if found and len(found[1]) > LONGEST:
            text = f"{text[: found.start()]}, classes: --{action.dest}.help)"
        return re.sub(
            rf"default: (.{{{LONGEST},}}?)(?=, classes:|, known subclasses:|\)$)", "default: lightning.yaml's", text
        )


def about(command: str, what: str) -> dict[str, str]:
    """A parser's arguments for the texts around a command's arguments."""
    usage = f"passk {command} [-c FILE.yaml ...] [--key value ...] [--print_config]"
    return {"description": f"{what[0].upper()}{what[1:]}.", "usage": usage, "epilog": EPILOG}


def shorten(parser: Any) -> None:
    """Replace the help of Lightning's own arguments of a command by one line each."""
    for action in parser._actions:
        action.help = COMMAND.get(action.dest, action.help)


def grouped(groups: list[Any], shows_all: bool) -> list[Any]:
    """A parser's argument groups in the order of its help; without those that only `--help_all` shows."""
    keys = [_key(group) for group in groups]
    first = [group for group, key in zip(groups, keys, strict=True) if key not in (*ORDER, LATER)]
    own = [_named(groups[keys.index(key)], key) for key in ORDER if key in keys]
    later = [_named(groups[keys.index(LATER)], LATER)] if LATER in keys and shows_all else []
    shown = [*first, *own, *later]
    for group in first:
        if any(action.dest == "ckpt_path" for action in group._group_actions):
            group.title = "checkpoint"
    return shown if shows_all else [_short(group) for group in shown]


def _key(group: Any) -> str:
    """The configuration section of a group; "" for none."""
    names = {action.dest.partition(".")[0] for action in group._group_actions if action.dest != SUPPRESS}
    return next(iter(names)) if len(names) == 1 else ""


def _named(group: Any, key: str) -> Any:
    group = copy(group)
    group.title = f"{key}: {'the problems, a class of `passk list data`' if key == 'data' else group.title}"
    return group


def _short(group: Any) -> Any:
    """The group without a key's list of classes, and without the argument for a section's own file."""
    group = copy(group)
    group._group_actions = [
        action
        for action in group._group_actions
        if not any(name.endswith(".help") for name in action.option_strings)
        and not (action.dest in ORDER and action.dest != "data")
    ]
    return group
