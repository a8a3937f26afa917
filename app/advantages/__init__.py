"""Advantage estimators: the weight of each rollout in the policy gradient, relative to its problem's other rollouts."""

from app.advantages.adaptive import Adaptive
from app.advantages.base import AdvantageEstimator
from app.advantages.easy import ByAccuracy, WithoutEasy
from app.advantages.fade import FADE
from app.advantages.max_k import RLOOK, BestMinusSecond, MaxKOffPolicy, PassKWithoutSigma
from app.advantages.noise import Binary, FlipNegatives
from app.advantages.pass_k import PassK, PassKBootstrap, PassKFullSampling
from app.advantages.pass_one import PassOne
from app.advantages.pkpo import PKPO, PKPOLeaveOneOut, PKPOLeaveOneOutMinusOne
from app.advantages.plain import RLOO, DrGRPO
from app.advantages.quantile import QAE, CurveRL
from app.advantages.rarity import UCPO, Unlikeliness
from app.advantages.shaped import Combination, Exceeding
from app.advantages.supervised import Imitate, RejectionSampling
from app.advantages.tail import FGRPO, RSGRPO, MaxRL, TailRL
from app.advantages.tokens import EntropyBonusAdvantage, SoftOverlong, WeightedPositives

__all__ = [
    "FADE",
    "FGRPO",
    "PKPO",
    "QAE",
    "RLOO",
    "RLOOK",
    "RSGRPO",
    "UCPO",
    "Adaptive",
    "AdvantageEstimator",
    "BestMinusSecond",
    "Binary",
    "ByAccuracy",
    "Combination",
    "CurveRL",
    "DrGRPO",
    "EntropyBonusAdvantage",
    "Exceeding",
    "FlipNegatives",
    "Imitate",
    "MaxKOffPolicy",
    "MaxRL",
    "PKPOLeaveOneOut",
    "PKPOLeaveOneOutMinusOne",
    "PassK",
    "PassKBootstrap",
    "PassKFullSampling",
    "PassKWithoutSigma",
    "PassOne",
    "RejectionSampling",
    "SoftOverlong",
    "TailRL",
    "Unlikeliness",
    "WeightedPositives",
    "WithoutEasy",
]
