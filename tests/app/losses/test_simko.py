"""SimKO against its paper's ratios, written out token by token and differentiated by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from app.compute.token_scores import Shaping, token_scores
from app.losses import K2, Clipped, KLPenalty, SimKO
from app.losses.simko import above_quantile
from app.types import Experience
from tests.app.updates import distance, fitted, parameters, sampled
from tests.conftest import BY_LENGTH, CommandLine, build_tiny_policy, stage, steps

B, T, V = 5, 6, 9
MASK = torch.arange(T)[None] < torch.tensor([6, 5, 4, 6, 1])[:, None]


def rows_of(old: Tensor, entropies: Tensor | None, tokens: Tensor) -> Experience:
    """Passing and failing rows, and one that teaches nothing."""
    advantages = torch.tensor([1.5, -0.7, 0.0, -2.0, 1.0]).double()[:, None] * MASK
    prompts = [torch.zeros(1, dtype=torch.long)]
    problem = torch.zeros(B, dtype=torch.long)
    return Experience(prompts, problem, tokens, MASK, advantages, sampler_logprobs=old, entropies=entropies)


def paper_loss(loss: SimKO, logits: Tensor, old_logits: Tensor, rows: Experience) -> Tensor:
    """The sum over tokens of the clipped loss of SimKO's ratios, in which old candidates are those of the new."""
    total = torch.zeros((), dtype=torch.double)
    for b in range(B):
        entropies = rows.entropies[b][MASK[b]].double()  # type: ignore[index]
        threshold = torch.quantile(entropies, loss.quantile)
        for t in range(int(MASK[b].sum())):
            now, old = logits[b, t].log_softmax(-1), old_logits[b, t].log_softmax(-1)
            token, advantage = int(rows.tokens[b, t]), rows.advantages[b, t]
            ratio = (now[token] - old[token]).exp()
            best = now.topk(loss.candidates).indices
            if entropies[t] > threshold and advantage > 0:
                of_candidates = (now[best] - old[best]).exp()
                alike = (ratio.detach() / of_candidates.detach()) * of_candidates
                ratio = (1 - loss.smoothing) * ratio + loss.smoothing / loss.candidates * alike.sum()
            if entropies[t] > threshold and advantage < 0 and int(best[0]) == token:
                advantage = advantage * loss.top_weight
            clipped = ratio.clamp(1 - loss.clip_low, 1 + loss.clip_high)
            total = total - torch.minimum(ratio * advantage, clipped * advantage)
    return total


@pytest.mark.parametrize("loss", [SimKO(), SimKO(2, 0.4, 3.0, 0.3), SimKO(V, 1.0, 1.0, 0.0, 0.05, 0.05)])
@pytest.mark.parametrize("seed", range(4))
def test_its_gradient_is_that_of_the_papers_ratios(loss: SimKO, seed: int) -> None:
    torch.manual_seed(seed)
    old_logits = 2 * torch.randn(B, T, V, dtype=torch.double)
    logits = (old_logits + 0.3 * torch.randn(B, T, V, dtype=torch.double)).requires_grad_()
    tokens = torch.where(torch.rand(B, T) < 0.5, old_logits.argmax(-1), torch.randint(V, (B, T)))
    old = old_logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    rows = rows_of(old, torch.rand(B, T), tokens)
    shaping = loss.shaping(rows)
    assert shaping is not None
    scores, _ = token_scores(logits.flatten(0, 1), tokens.flatten(), 1.0, False, shaping[torch.ones_like(MASK)])
    logprobs = scores.view(B, T)
    value = (loss(logprobs - old, logprobs, rows)).sum()
    assert value.item() == pytest.approx(
        Clipped(loss.clip_low, loss.clip_high)(logprobs - old, logprobs, rows).sum().item()
    )
    (ours,) = torch.autograd.grad(value, logits)
    (theirs,) = torch.autograd.grad(paper_loss(loss, logits, old_logits, rows), logits)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    assert theirs.abs().sum() > 0


def test_tokens_above_the_quantile_of_their_row() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 9.0], [7.0, 1.0, 1.0, 1.0, 1.0, 9.0]])
    mask = torch.tensor([[True] * 5 + [False], [True, True] + [False] * 4])
    found = above_quantile(values, mask, 0.5)
    assert found.tolist() == [[False, False, False, True, True, False], [True] + [False] * 5]


def test_demonstrations_and_uncertain_tokens_of_no_advantage_are_left_alone(tiny_policy: Callable[..., Any]) -> None:
    tokens = torch.zeros(B, T, dtype=torch.long)
    assert SimKO().shaping(rows_of(torch.zeros(B, T), None, tokens)) is None
    shaping = SimKO(quantile=0.0).shaping(rows_of(torch.zeros(B, T), torch.rand(B, T), tokens))
    assert shaping is not None
    assert (shaping.smoothing[2].eq(0).all(), shaping.top_weight[2].eq(1).all()) == (True, True)


def test_a_policy_shapes_the_same_in_chunks_of_the_head(tiny_policy: Callable[..., Any]) -> None:
    gradients = []
    for head_tokens in (None, 3):
        policy = tiny_policy(head_tokens=head_tokens)
        torch.manual_seed(1)
        tokens = torch.randint(5, 90, (B, T))
        rows = rows_of(torch.zeros(B, T), None, tokens)
        shaping = Shaping(3, torch.rand(B, T), 1 + torch.rand(B, T))
        logprobs, _ = policy.score(rows, shaping=shaping)
        torch.testing.assert_close(logprobs, policy.score(rows)[0])
        logprobs.sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in policy.parameters()]))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_a_kl_penalty_has_its_own_gradient() -> None:
    """One step of SGD adds up: the penalty moves the weights by the same as beside a loss that shapes nothing."""
    batch, start = sampled(build_tiny_policy()), parameters(build_tiny_policy())

    def moves(loss: Clipped, *penalties: KLPenalty) -> list[Tensor]:
        for penalty in penalties:
            penalty.reference.begin(build_tiny_policy(seed=1))
        module = fitted([batch], loss=loss, kl=penalties[0] if penalties else None)
        return [now - then for now, then in zip(parameters(module), start, strict=True)]

    def simko() -> SimKO:
        return SimKO(3, smoothing=1.0, top_weight=3.0, quantile=0.0)

    both, alone, beside, clipped = moves(simko(), K2(1.0)), moves(simko()), moves(Clipped(), K2(1.0)), moves(Clipped())
    expected = [one + two - three for one, two, three in zip(alone, beside, clipped, strict=True)]
    assert distance(beside, clipped) > 1e-2
    assert distance(alone, clipped) > 1e-3
    assert distance(both, expected) < 1e-6


def test_a_run_has_other_weights_with_it(passk: CommandLine) -> None:
    loss = {"class_path": "app.losses.SimKO", "init_args": {"smoothing": 0.5}}
    norms = []
    for each in ("app.losses.Clipped", loss):
        cli = passk.fit([stage("explore", BY_LENGTH, until=steps(1), loss=each)], "--trainer.limit_val_batches=0")
        norms.append(float(cli.trainer.logged_metrics["train/grad_norm"]))
    assert norms[0] != norms[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"candidates": 0}, "candidates=0 must be at least 1"),
        ({"smoothing": 1.5}, r"smoothing=1.5 must lie in \[0, 1\]"),
        ({"top_weight": 0.9}, "top_weight=0.9 must be at least 1"),
        ({"quantile": 1.0}, r"quantile=1.0 must lie in \[0, 1\)"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SimKO(**changes)
