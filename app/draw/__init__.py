"""Which problems are drawn: uniformly, or by how often the policy has passed them so far."""

from app.draw.base import Objective, Place, ProblemSampler, Weighted
from app.draw.by_pass_rate import ByPassRate, Curriculum
from app.draw.pools import Pools
from app.draw.record import PassRecord
from app.draw.uniform import Uniform

__all__ = [
    "ByPassRate",
    "Curriculum",
    "Objective",
    "PassRecord",
    "Place",
    "Pools",
    "ProblemSampler",
    "Uniform",
    "Weighted",
]
