"""Replay of earlier rollouts: whole groups that are trained on again, and prefixes of answers for new ones."""

from app.replay.groups import Group, GroupReplay
from app.replay.prefixes import Answered, PrefixReplay, Steered

__all__ = ["Answered", "Group", "GroupReplay", "PrefixReplay", "Steered"]
