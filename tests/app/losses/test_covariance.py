"""Covariances against a loop, and which tokens are left out or held by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import mean

import pytest
import torch

from app.losses import ClipCov, KLCov
from app.losses.covariance import covariances
from app.types import Experience
from tests.app.losses.loops import LOGPROBS, random_rows


def of_tokens(rows: Experience) -> dict[tuple[int, int], float]:
    """(A - mean A) (log pi - mean log pi), by the token's place."""
    places = [(b, t) for b, row in enumerate(rows.mask.tolist()) for t, there in enumerate(row) if there]
    assert rows.sampler_logprobs is not None
    advantages, logprobs = rows.advantages.tolist(), rows.sampler_logprobs.tolist()
    middle = mean(advantages[b][t] for b, t in places), mean(logprobs[b][t] for b, t in places)
    return {(b, t): (advantages[b][t] - middle[0]) * (logprobs[b][t] - middle[1]) for b, t in places}


def places(chosen: torch.Tensor) -> set[tuple[int, int]]:
    return {(b, t) for b, t in chosen.nonzero().tolist()}


@pytest.mark.parametrize("seed", range(3))
def test_covariances(seed: int) -> None:
    rows, _ = random_rows(seed)
    values = covariances(rows)
    for place, value in of_tokens(rows).items():
        assert values[place].item() == pytest.approx(value, abs=1e-12)
    assert not values[~rows.mask].any()


@pytest.mark.parametrize("share", [0.001, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_kl_cov_holds_the_highest(seed: int, share: float) -> None:
    rows, _ = random_rows(seed)
    values = of_tokens(rows)
    highest = sorted(values, key=lambda place: -values[place])[: max(1, round(share * len(values)))]
    chosen = KLCov(share).select_tokens(rows)
    assert chosen is not None
    assert places(chosen) == set(highest)


def test_kl_cov_holds_positive_covariances_alone() -> None:
    rows, _ = random_rows()
    chosen, values = KLCov(1.0).select_tokens(rows), of_tokens(rows)
    assert chosen is not None
    assert places(chosen) == {place for place, value in values.items() if value > 0}
    nothing = KLCov(0.5).select_tokens(replace(rows, advantages=torch.zeros_like(rows.advantages)))
    assert nothing is not None
    assert not nothing.any()


def test_kl_cov_computes_rows_without_advantage_that_it_holds() -> None:
    rows, _ = random_rows()
    rows = replace(rows, advantages=-rows.advantages.abs())  # a row of 0 is above the mean
    loss = KLCov(0.2)
    chosen = loss.select_tokens(rows)
    assert chosen is not None and chosen[0].any()
    assert len(loss.informative(replace(rows, token_mask=chosen))) == 6
    assert len(loss.informative(replace(rows, token_mask=None))) == 5


def test_clip_cov_leaves_out_a_share_of_the_high_ones() -> None:
    rows, _ = random_rows()
    values = of_tokens(rows)
    high = {place for place, value in values.items() if 0.1 < value < 1.0}
    assert 4 < len(high) < len(values)
    for share in (0.04, 0.08, 0.12):
        left_out = set(values) - places(ClipCov(share, 0.1, 1.0).token_mask(rows))
        assert len(left_out) == round(share * len(values))
        assert left_out < high
    assert set(values) - places(ClipCov(1.0, 0.1, 1.0).token_mask(rows)) == high
    for none in (ClipCov(0.0), ClipCov(0.01, 0.1, 1.0), ClipCov(1.0, 100.0, 200.0)):
        assert torch.equal(none.token_mask(rows), rows.mask)


def test_every_high_token_is_left_out_at_times() -> None:
    """The draw is of a row's own content, another one in each update."""
    counts: dict[tuple[int, int], int] = {}
    high = None
    for shift in range(60):
        rows, _ = random_rows()
        assert rows.sampler_logprobs is not None
        rows = replace(rows, sampler_logprobs=rows.sampler_logprobs + 1e-6 * shift * rows.mask)  # the covariances stay
        high = {place for place, value in of_tokens(rows).items() if 0.1 < value < 1.0}
        for place in set(of_tokens(rows)) - places(ClipCov(0.12, 0.1, 1.0).token_mask(rows)):
            counts[place] = counts.get(place, 0) + 1
    assert set(counts) == high
    assert max(counts.values()) < 60 / 2


@pytest.mark.parametrize("width", [0, 12])
def test_the_order_of_rows_and_their_padding_change_nothing(width: int) -> None:
    """Processes pad to their own longest row."""
    rows, _ = random_rows()
    order = torch.tensor([5, 1, 4, 2, 0, 3])
    fields = {
        name: torch.nn.functional.pad(getattr(rows, name), (0, width))
        for name in ("mask", "advantages", "entropies", "tokens", *LOGPROBS)
    }
    shuffled = replace(rows, problem=rows.problem[order], **{name: value[order] for name, value in fields.items()})
    for choose in (ClipCov(0.1, 0.1, 1.0).token_mask, KLCov(0.1).select_tokens):
        chosen, other = choose(rows), choose(shuffled)
        assert chosen is not None and other is not None
        assert torch.equal(other[:, : rows.mask.shape[1]], chosen[order])
        assert not other[:, rows.mask.shape[1] :].any()


def test_demonstrations_have_no_covariance() -> None:
    rows, _ = random_rows()
    rows = replace(rows, sampler_logprobs=None)
    assert KLCov().select_tokens(rows) is None
    assert torch.equal(ClipCov().token_mask(rows), rows.mask)
    zero = torch.zeros(rows.mask.shape, dtype=torch.double)
    assert torch.equal(KLCov().per_token(zero, zero, rows), -rows.advantages)


@pytest.mark.parametrize("choose", [ClipCov(0.5, 0.1, 1.0).token_mask, KLCov(0.5).select_tokens])
def test_a_process_may_have_no_row(choose: Callable[[Experience], torch.Tensor | None]) -> None:
    rows, _ = random_rows()
    chosen = choose(rows.select(torch.tensor([], dtype=torch.long)))
    assert chosen is not None
    assert chosen.shape == (0, 0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ClipCov(share=-0.1), r"share=-0.1 must lie in \[0, 1\]"),
        (lambda: ClipCov(low=5.0, high=5.0), "low=5.0 must be below high=5.0"),
        (lambda: KLCov(share=0.0), r"share=0.0 must lie in \(0, 1\]"),
        (lambda: KLCov(coefficient=-1.0), "coefficient=-1.0 must be at least 0"),
        (lambda: KLCov(coefficient=float("nan")), "coefficient=nan must be at least 0"),
    ],
)
def test_bad_arguments_raise(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
