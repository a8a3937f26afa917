"""The tasks of the reasoning-gym library."""

from datamodules.reasoning_gym.data_module import GymProblem, GymSet, ReasoningGymDataModule

__all__ = [
    "GymProblem",
    "GymSet",
    "ReasoningGymDataModule",
]
