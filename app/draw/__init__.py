"""Problem samplers: which problems are drawn, uniformly or by their pass rates so far."""

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
