"""Earlier rollouts used again: informative groups that are trained on once more."""

from app.replay.groups import Group, GroupReplay

__all__ = ["Group", "GroupReplay"]
