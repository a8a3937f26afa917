"""Mathematics: the data module and its scorer; reading, measuring and comparing answers."""

from datamodules.math.data_module import INSTRUCTION, PUBLIC, MathDataModule, MathScorer, Table

__all__ = [
    "INSTRUCTION",
    "PUBLIC",
    "MathDataModule",
    "MathScorer",
    "Table",
]
