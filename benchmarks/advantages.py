"""Times the analytic Pass@k advantage, vectorised and as a loop over rows, and for growing batches.

    python -m benchmarks.advantages

The loop is new code in the style of the authors' reference implementation: rewards on tokens, a dictionary from
a row's problem to its scores, binomials for each problem, and a tensor filled row by row.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from math import comb, sqrt
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from app.passk import pass_k_advantage


def looped(token_rewards: Tensor, problems: list[str], mask: Tensor, k: int) -> Tensor:
    """Eqs. 11-15, problem by problem and row by row.  [B, T], B names, [B, T] -> [B, T]"""
    scores = token_rewards.sum(-1)
    groups: dict[str, list[float]] = defaultdict(list)
    for row, problem in enumerate(problems):
        groups[problem].append(scores[row].item())
    advantages = {}
    for problem, rewards in groups.items():
        size, failed = len(rewards), sum(reward < 1 for reward in rewards)
        fail = comb(failed, k) / comb(size, k)
        sigma = sqrt(fail * (1 - fail))  # Eqs. 11-12
        if not sigma:
            advantages[problem] = iter([0.0] * size)
            continue
        positive = fail / sigma  # Eq. 14
        negative = (fail - comb(failed - 1, k - 1) / comb(size - 1, k - 1)) / sigma if failed else 0.0  # Eq. 15
        advantages[problem] = iter([positive if reward >= 1 else negative for reward in rewards])
    for row, problem in enumerate(problems):
        scores[row] = next(advantages[problem])
    return scores[:, None] * mask


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The median time of a run."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return median(times)


def measure(num_problems: int = 128, num_rollouts: int = 32, k: int = 8, width: int = 64) -> dict[str, float]:
    """Time both on one batch, alternately; ValueError if they differ."""
    generator = torch.Generator().manual_seed(0)
    draws, rates = (torch.rand(num_problems, size, generator=generator) for size in (num_rollouts, 1))
    passed = draws < rates
    token_rewards = torch.nn.functional.pad(passed.float().view(-1, 1), (width - 1, 0))  # [B, T]
    mask = torch.ones_like(token_rewards)
    problems = [str(problem) for problem in range(num_problems) for _ in range(num_rollouts)]
    at_once, one_by_one = pass_k_advantage(passed, k).flatten(), looped(token_rewards, problems, mask, k)[:, 0]
    if not torch.allclose(at_once, one_by_one.double(), atol=1e-6):
        raise ValueError("the two disagree")
    times = [
        (
            seconds(lambda: pass_k_advantage(passed, k), 51),
            seconds(lambda: looped(token_rewards.clone(), problems, mask, k), 3),
        )
        for _ in range(7)
    ]
    mine, theirs = (median(column) for column in zip(*times, strict=True))
    return {"seconds": mine, "seconds_looped": theirs, "ratio": median(slow / fast for fast, slow in times)}


def growth(num_rollouts: int = 32, k: int = 8) -> dict[int, float]:
    """Nanoseconds per reward by the number of rewards."""
    found = {}
    for number in (10**4, 10**5, 10**6, 10**7):
        passed = torch.rand(number // num_rollouts, num_rollouts) < 0.3
        found[number] = 1e9 * seconds(lambda passed=passed: pass_k_advantage(passed, k), 7) / number
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({**measure(), "nanoseconds_per_reward": growth()}, indent=2))
