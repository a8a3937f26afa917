"""The nouns of passk, in the order in which an iteration makes them.

`ProblemBatch` (of the data module) -> `Request` -> `Completion` (of the engine) -> `Rollouts` (scored) -> `Experience`
(rows of tokens with advantages, on which the loss is taken).

Axes, used everywhere:
    P  problems in a batch
    N  rollouts of each problem
    B  rows, one rollout each (P * N, or fewer once rows that teach nothing are left out)
    T  tokens of a response, padded to the longest
    k  the k of Pass@k
"""

from app.types.experience import Experience
from app.types.problems import Composite, Problem, Prompt, Unscored, Vision
from app.types.rollouts import Outcome, ProblemBatch, Rollouts
from app.types.sampling import Completion, Request, Sampling

__all__ = [
    "Completion",
    "Composite",
    "Experience",
    "Outcome",
    "Problem",
    "ProblemBatch",
    "Prompt",
    "Request",
    "Rollouts",
    "Sampling",
    "Unscored",
    "Vision",
]
