"""Tasks of the reasoning-gym library."""

from typing import TYPE_CHECKING

from datamodules.on_demand import on_demand
from datamodules.reasoning_gym.problem import GymProblem, GymSet

if TYPE_CHECKING:
    from datamodules.reasoning_gym.data_module import ReasoningGymDataModule

__all__ = [
    "GymProblem",
    "GymSet",
    "ReasoningGymDataModule",
]

__getattr__ = on_demand(__name__, "data_module", ("ReasoningGymDataModule",))
