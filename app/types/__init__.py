"""The data types of passk, in the order of an iteration.

`ProblemBatch` (from the data module) -> `Request` -> `Completion` (from the engine) -> `Rollouts` (scored) ->
`Experience` (rows of tokens with advantages, from which the loss is computed).

Axes, used everywhere:
    P  problems in a batch
    N  rollouts of each problem
    B  rows, one rollout each (P * N, or fewer without rows of zero advantage)
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
