"""Mathematics: the data module and its scorer; parsing, limiting and comparing answers."""

from typing import TYPE_CHECKING

from datamodules.math.scorer import MathScorer
from datamodules.on_demand import on_demand

if TYPE_CHECKING:
    from datamodules.math.data_module import INSTRUCTION, PUBLIC, MathDataModule, Table

__all__ = [
    "INSTRUCTION",
    "PUBLIC",
    "MathDataModule",
    "MathScorer",
    "Table",
]

__getattr__ = on_demand(__name__, "data_module", ("INSTRUCTION", "PUBLIC", "MathDataModule", "Table"))
