"""Losses of policy updates: a loss per token, a reduction over tokens, penalties and corrections."""

from app.losses.base import PolicyLoss
from app.losses.clipped import Clipped
from app.losses.correction import Correction, GeometricMIS, IcePop, SequenceMIS, SequenceTIS, TokenTIS
from app.losses.covariance import ClipCov, KLCov
from app.losses.kl import K1, K2, K3, KLPenalty
from app.losses.reductions import ConstantLength, Reduction, SequenceMean, TokenMean
from app.losses.simko import SimKO
from app.losses.surrogates import CISPO, GSPO, SAPO, Reinforce
from app.losses.tokens import TokenFilter, TopEntropy

__all__ = [
    "CISPO",
    "GSPO",
    "K1",
    "K2",
    "K3",
    "SAPO",
    "ClipCov",
    "Clipped",
    "ConstantLength",
    "Correction",
    "GeometricMIS",
    "IcePop",
    "KLCov",
    "KLPenalty",
    "PolicyLoss",
    "Reduction",
    "Reinforce",
    "SequenceMIS",
    "SequenceMean",
    "SequenceTIS",
    "SimKO",
    "TokenFilter",
    "TokenMean",
    "TokenTIS",
    "TopEntropy",
]
