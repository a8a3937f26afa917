"""Reads and writes a command's configuration; reads files and checks values only as often as needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import Namespace
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback

from app.cli.completion import one_level
from app.cli.errors import hinted
from app.cli.help import grouped
from app.storage.files import replacing


def write_as(kind: type, plain: Callable[[Any], Any]) -> None:
    """Make YAML write subclasses of str, int or float like these types: a string Enum, numpy's float64.

    Some classes have such defaults, Lightning's Timer for one, and a run writes its whole configuration.
    """
    yaml.SafeDumper.add_multi_representer(kind, lambda dumper, value: dumper.represent_data(plain(value)))


write_as(str, str.__str__)
write_as(int, int)
write_as(float, float)


class ReadOnceParser(LightningArgumentParser):
    """A parser that reads `lightning.yaml` only once; jsonargparse would read a command's defaults twice.

    Its errors suggest known names, and its help begins with passk's own arguments.
    """

    _read: Namespace | None = None
    shows_all = False
    """Whether the help is that of `--help_all`."""

    def get_defaults(self, skip_validation: bool = False, **kwargs: Any) -> Namespace:
        if not (skip_validation and self.default_config_files):
            return super().get_defaults(skip_validation, **kwargs)
        if self._read is None:
            self._read = super().get_defaults(skip_validation, **kwargs)
        return self._read.clone()

    def format_help(self, formatter: Any = None) -> str:
        groups: Any = self._action_groups
        self._action_groups = grouped(groups, self.shows_all)
        try:
            return super().format_help(formatter)
        finally:
            self._action_groups = groups

    def get_completion_script(self, *arguments: Any, **options: Any) -> str:
        with one_level():
            return super().get_completion_script(*arguments, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        super().error(hinted(message, self), ex)


def written_out(parser: LightningArgumentParser, config: Namespace) -> dict[str, Any]:
    """A parsed configuration as plain mappings, lists and values; not checked again."""
    text = parser.dump(config, format="yaml", skip_link_targets=False, skip_unset=False, skip_validation=True)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)  # the C loader is ten times as fast
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class ConfigOfRun(SaveConfigCallback):
    """Writes `config.yaml` after the setup has succeeded; a command that fails in its setup leaves no files.

    The checkpoint that the command was given is left out: a run of the same configuration would resume from it too.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        pass

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        folder = Path(str(trainer.log_dir))  # on all processes: rank 0 broadcasts the folder
        if trainer.is_global_zero and not self.already_saved:
            folder.mkdir(parents=True, exist_ok=True)
            config = self.config.clone()
            config.ckpt_path = None
            text = self.parser.dump(config, skip_unset=False, skip_validation=True)
            with replacing(folder / self.config_filename) as temporary:
                temporary.write_text(text, encoding="utf-8")
        self.already_saved = True

    on_sanity_check_start = on_validation_start = on_test_start = on_predict_start = on_train_start
