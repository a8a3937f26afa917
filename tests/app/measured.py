"""Rollouts at random, to be measured."""

from __future__ import annotations

from dataclasses import replace

import torch

from app.metrics.rollouts import Accuracy, evaluation_metrics
from app.types import Completion, Rollouts

WORDS = ["up", "down ", " down", "left", "right", ""]


def random_batch(seed: int, problems: int = 3, n: int = 6) -> Rollouts:
    """Rewards, lengths, words and entropies at random; a truncated response has no answer."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda high: int(torch.randint(high, (), generator=generator))  # noqa: E731
    completions = []
    for _ in range(problems):
        lengths = [1 + draw(5) for _ in range(n)]
        completions.append(
            [
                extracted(
                    Completion(
                        text=WORDS[draw(len(WORDS))],
                        tokens=torch.zeros(length, dtype=torch.long),
                        finish="length" if draw(3) == 0 else "stop",
                        entropies=torch.rand(length, generator=generator),
                    )
                )
                for length in lengths
            ]
        )
    rewards = (torch.rand(problems, n, generator=generator) < torch.rand(problems, 1, generator=generator)).float()
    return Rollouts([None] * problems, completions=completions, rewards=rewards)  # type: ignore[list-item]


def extracted(row: Completion) -> Completion:
    """With the stripped text as its answer, unless it is truncated or says nothing."""
    return replace(row, answer=(row.text.strip() or None) if row.finish == "stop" else None)


def figures(batches: list[Rollouts]) -> dict[str, float]:
    """What evaluation reports of them."""
    metrics, accuracy = evaluation_metrics([1, 2, 6], 6, {}), Accuracy()
    for batch in batches:
        metrics.update(batch)
        accuracy.update(batch)
    return {name: value.item() for name, value in {**metrics.compute(), "accuracy": accuracy.compute()}.items()}
