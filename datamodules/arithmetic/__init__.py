"""Arithmetic problems of several levels of difficulty, as chats."""

from typing import TYPE_CHECKING

from datamodules.arithmetic.problems import FORMS, Arithmetic, ArithmeticProblem, last_number
from datamodules.on_demand import on_demand

if TYPE_CHECKING:
    from datamodules.arithmetic.data_module import ArithmeticDataModule

__all__ = ["FORMS", "Arithmetic", "ArithmeticDataModule", "ArithmeticProblem", "last_number"]

__getattr__ = on_demand(__name__, "data_module", ("ArithmeticDataModule",))
