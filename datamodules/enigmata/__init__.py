"""Enigmata (arXiv 2505.19914): the data module, its 36 tasks in `tasks/`, and the export of problems."""

from typing import TYPE_CHECKING

from datamodules.on_demand import on_demand

if TYPE_CHECKING:
    from datamodules.enigmata.data_module import EnigmataDataModule, mixture, portions

__all__ = [
    "EnigmataDataModule",
    "mixture",
    "portions",
]

__getattr__ = on_demand(__name__, "data_module", ("EnigmataDataModule", "mixture", "portions"))
