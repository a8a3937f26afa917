"""Advantage estimators: what is trained is decided by how much each rollout is worth among its siblings."""

from app.advantages.base import AdvantageEstimator
from app.advantages.pass_k import PassK, PassKBootstrap, PassKFullSampling
from app.advantages.pass_one import PassOne
from app.advantages.supervised import Imitate, KeepPassing

__all__ = [
    "AdvantageEstimator",
    "Imitate",
    "KeepPassing",
    "PassK",
    "PassKBootstrap",
    "PassKFullSampling",
    "PassOne",
]
