"""The tokens of highest entropy, against a sorted list."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from app.losses import TopEntropy
from tests.app.losses.loops import random_rows


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_largest_share_is_kept(seed: int, share: float) -> None:
    rows, _ = random_rows(seed)
    assert rows.entropies is not None
    descending = sorted(rows.entropies[rows.mask].tolist(), reverse=True)
    kept = TopEntropy(share).token_mask(rows)
    assert not (kept & ~rows.mask).any()
    expected = descending[: max(1, round(share * len(descending)))]
    assert sorted(rows.entropies[kept].tolist(), reverse=True) == expected


def test_equal_entropies_stay_together() -> None:
    rows, _ = random_rows()
    assert rows.entropies is not None
    rows = replace(rows, entropies=torch.ones_like(rows.entropies))
    assert torch.equal(TopEntropy(0.1).token_mask(rows), rows.mask)


def test_the_order_of_rows_and_their_padding_change_nothing() -> None:
    rows, _ = random_rows()
    kept, order = TopEntropy(0.3).token_mask(rows), torch.tensor([5, 1, 4, 2, 0, 3])
    assert torch.equal(TopEntropy(0.3).token_mask(rows.select(order)), kept[order])


def test_all_are_kept_where_no_entropy_was_recorded() -> None:
    rows, _ = random_rows()
    assert torch.equal(TopEntropy().token_mask(replace(rows, entropies=None)), rows.mask)


def test_no_row_no_token() -> None:
    rows, _ = random_rows()
    assert TopEntropy().token_mask(rows.select(torch.tensor([], dtype=torch.long))).shape == (0, 0)


@pytest.mark.parametrize("share", [0.0, 1.1, float("nan")])
def test_a_bad_share_raises(share: float) -> None:
    with pytest.raises(ValueError, match=rf"share={share} must lie in \(0, 1\]"):
        TopEntropy(share)
