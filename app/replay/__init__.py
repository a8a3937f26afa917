"""Earlier rollouts used again: whole groups that are trained on once more, and answers that new ones begin with."""

from app.replay.groups import Group, GroupReplay
from app.replay.prefixes import Answered, PrefixReplay, Steered

__all__ = ["Answered", "Group", "GroupReplay", "PrefixReplay", "Steered"]
