"""Drawing tokens against one row at a time."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from app.engines.sampling import RolloutNoise, draw_tokens, truncate
from app.types import Sampling

CPU = torch.device("cpu")


def logits(rows: int = 40, vocabulary: int = 13, scale: float = 2.0) -> Tensor:
    return scale * torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(0))


def naive_truncation(probabilities: list[float], top_k: int, top_p: float) -> list[float]:
    """The top_k most probable tokens, and of these the fewest that hold top_p of what they hold together."""
    order = sorted(range(len(probabilities)), key=lambda token: (-probabilities[token], token))
    order = order[:top_k] if top_k else order
    total, held, kept = sum(probabilities[token] for token in order), 0.0, set()
    for token in order:
        if held >= top_p * total:
            break
        kept.add(token)
        held += probabilities[token]
    return [value if token in kept else 0.0 for token, value in enumerate(probabilities)]


@pytest.mark.parametrize("top_k", [0, 1, 3, 12, 13, 50])
@pytest.mark.parametrize("top_p", [1e-6, 0.3, 0.8, 0.95, 1.0])
def test_truncation_is_that_of_one_row_at_a_time(top_k: int, top_p: float) -> None:
    probabilities = logits().softmax(-1)
    kept = truncate(probabilities.clone(), Sampling(top_k=top_k, top_p=top_p))
    expected = [naive_truncation(row, top_k, top_p) for row in probabilities.tolist()]
    if top_p < 1 or top_k:
        assert torch.equal(kept, torch.tensor(expected))
    assert (kept > 0).any(-1).all()


def test_truncation_of_a_peaked_or_tied_row_keeps_one_token() -> None:
    rows = torch.tensor([[0.0, 1.0, 0.0], [0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    assert truncate(rows.clone(), Sampling(top_k=1)).argmax(-1).tolist() == [1, 2, 0]
    assert truncate(rows.clone(), Sampling(top_k=1)).gt(0).sum(-1).tolist() == [1, 1, 1]
    assert truncate(rows.clone(), Sampling(top_p=0.5)).gt(0).sum(-1).tolist() == [1, 1, 2]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (3, 1.0), (0, 0.7), (5, 0.8)])
def test_scores_are_those_of_the_whole_distribution(temperature: float, top_k: int, top_p: float) -> None:
    scores, uniform = logits(), torch.rand(40, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    tokens, logprobs, entropies = draw_tokens(scores, uniform, Sampling(temperature, top_p, top_k))
    whole = torch.distributions.Categorical(logits=scores / temperature)
    torch.testing.assert_close(logprobs, whole.log_prob(tokens), rtol=0, atol=1e-6)
    torch.testing.assert_close(entropies, whole.entropy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (3, 1.0), (0, 0.7), (5, 0.8)])
def test_a_token_is_where_the_running_sum_passes_the_number(top_k: int, top_p: float) -> None:
    scores = logits()
    generator = torch.Generator().manual_seed(2)
    for uniform in [torch.rand(40, generator=generator, dtype=torch.double) for _ in range(10)]:
        tokens = draw_tokens(scores, uniform, Sampling(top_k=top_k, top_p=top_p))[0].tolist()
        for row, number, token in zip(scores.softmax(-1).tolist(), uniform.tolist(), tokens, strict=True):
            weights = naive_truncation(row, top_k, top_p)
            running = [sum(weights[: place + 1]) for place in range(len(weights))]
            assert token == next(place for place, value in enumerate(running) if value > number * running[-1])


@pytest.mark.parametrize("number", [0.0, 0.5, 1 - 2**-53])
def test_a_token_without_probability_is_never_drawn(number: float) -> None:
    impossible = float("-inf")
    scores = torch.tensor([[impossible, 0.0, impossible, 0.0, impossible], [impossible] * 4 + [0.0]])
    tokens, logprobs, entropies = draw_tokens(scores, torch.tensor([number] * 2, dtype=torch.double), Sampling())
    assert tokens.tolist() == [1 if number < 0.5 else 3, 4]
    assert logprobs.isfinite().all()
    assert entropies.tolist() == pytest.approx([torch.tensor(2.0).log().item(), 0.0])


def test_temperature_zero_takes_the_most_probable_token() -> None:
    scores = logits()
    tokens, logprobs, entropies = draw_tokens(scores, torch.rand(40), Sampling(temperature=0, top_p=0.1, top_k=2))
    whole = torch.distributions.Categorical(logits=scores)
    assert torch.equal(tokens, scores.argmax(-1))
    torch.testing.assert_close(logprobs, whole.log_prob(tokens))
    torch.testing.assert_close(entropies, whole.entropy())


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.5, 0, 1.0), (1.0, 4, 1.0), (1.5, 0, 0.6)]
)
def test_frequencies_are_the_probabilities(temperature: float, top_k: int, top_p: float) -> None:
    """Chi-square: 100 rollouts of 100 tokens each, all from one distribution; 4 deviations above its mean."""
    scores, noise = logits(1), RolloutNoise(["a", "b", "c", "d"], 25, CPU)
    sampling = Sampling(temperature, top_p, top_k)
    counts: Counter[int] = Counter()
    for time in range(100):
        counts.update(draw_tokens(scores.expand(100, -1), noise.at(time), sampling)[0].tolist())
    weights = naive_truncation((scores / temperature).softmax(-1)[0].tolist(), top_k, top_p)
    expected = {token: 10_000 * weight / sum(weights) for token, weight in enumerate(weights) if weight}
    assert counts.keys() <= expected.keys()
    statistic = sum((counts[token] - value) ** 2 / value for token, value in expected.items())
    freedom = len(expected) - 1
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5


def test_a_rollouts_numbers_are_its_own() -> None:
    """Neither what else is drawn nor how many rollouts there are changes a number."""
    together, alone = RolloutNoise(["p", "q"], 3, CPU), RolloutNoise(["q"], 2, CPU)
    for time in range(150):  # over two block borders
        numbers, own = together.at(time), alone.at(time)
        assert numbers.dtype == torch.double
        assert ((numbers >= 0) & (numbers < 1)).all()
        assert len(set(numbers.tolist())) == 6
        assert torch.equal(numbers[3:5], own)


def test_numbers_are_uniform() -> None:
    noise = RolloutNoise(["x"], 200, CPU)
    numbers = torch.cat([noise.at(time) for time in range(100)])
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.01)
    assert numbers.var().item() == pytest.approx(1 / 12, abs=0.002)


@pytest.mark.parametrize("vocabulary", [5, 511, 512, 513, 3000])
def test_blocks_draw_what_one_running_sum_in_double_precision_draws(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(vocabulary)
    logits = 4 * torch.randn(400, vocabulary, generator=generator)
    logits[:, ::7] = -torch.inf
    uniform = torch.rand(400, generator=generator, dtype=torch.double)
    tokens, logprobs, entropies = draw_tokens(logits, uniform, Sampling())
    weights = logits.double().softmax(-1)
    pairs = zip(weights, uniform, strict=True)
    naive = [int((row.cumsum(-1) > number * row.sum()).nonzero()[0]) for row, number in pairs]
    assert (tokens != torch.tensor(naive)).sum() <= 1  # by rounding, between neighbours
    assert logprobs.isfinite().all()
    expected = -(weights * weights.clamp(min=1e-300).log()).sum(-1)
    assert torch.allclose(entropies.double(), expected, atol=1e-5)
