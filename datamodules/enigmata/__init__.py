"""Enigmata (arXiv 2505.19914): the data module, its 36 tasks in `tasks/`, and their export."""

from datamodules.enigmata.data_module import EnigmataDataModule, mixture, portions

__all__ = [
    "EnigmataDataModule",
    "mixture",
    "portions",
]
