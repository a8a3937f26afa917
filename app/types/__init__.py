"""The nouns of passk: what passes between the data, the engine, the estimators and the loss.

Axes, used everywhere:
    P  problems in a batch
    N  rollouts of each problem
    B  rows, one rollout each (P * N, or fewer once rows that teach nothing are left out)
    T  tokens of a response, padded to the longest
    k  the k of Pass@k
"""

from app.types.experience import Experience
from app.types.problems import Problem, Prompt, Unscored, Vision
from app.types.rollouts import RolloutBatch
from app.types.sampling import Completion, Request, Sampling

__all__ = [
    "Completion",
    "Experience",
    "Problem",
    "Prompt",
    "Request",
    "RolloutBatch",
    "Sampling",
    "Unscored",
    "Vision",
]
