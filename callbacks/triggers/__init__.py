"""Triggers that end a stage, one per file."""

from callbacks.triggers.base import Trigger
from callbacks.triggers.entropy_floor import EntropyFloor
from callbacks.triggers.metric_reached import MetricReached
from callbacks.triggers.plateau import Plateau
from callbacks.triggers.steps import Steps

__all__ = ["EntropyFloor", "MetricReached", "Plateau", "Steps", "Trigger"]
