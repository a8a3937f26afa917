"""When a sentence holds."""

from __future__ import annotations

import pytest

from benchmarks.reproduce.claim import Sentence
from benchmarks.reproduce.curves import Curves
from benchmarks.reproduce.verdicts import T_975, beyond, corrected, estimate, fall, judge, p_value, summary


def curves(**arms: list[list[float]]) -> Curves:
    """Of each arm, by seed, the figure "x" at validations after a cold start."""
    return {
        name: {
            seed: [{"iteration": 0, "trained": 0, "x": 0.5}]
            + [{"iteration": index + 1, "trained": 1, "x": value} for index, value in enumerate(values)]
            for seed, values in enumerate(seeds)
        }
        for name, seeds in arms.items()
    }


def sentence(by: float = 0.0, **changes: str) -> Sentence:
    return Sentence("a is above b", "Section 0", "x", "a", "b", by=by, **changes)  # type: ignore[arg-type]


def test_the_interval_is_students() -> None:
    """Of 1, 2, 3: deviation 1, t = 4.303 with two degrees of freedom."""
    found = estimate([1.0, 2.0, 3.0])
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))
    assert estimate([0.3]).low is None
    with pytest.raises(ValueError, match="11 seeds: there must be 1 to 10"):
        estimate([0.0] * 11)


@pytest.mark.parametrize(
    ("ours", "theirs", "by", "verdict"),
    [
        ([0.50, 0.61, 0.70], [0.40, 0.50, 0.60], 0.0, "holds"),  # noisy seeds, but each pair differs alike
        ([0.40, 0.50, 0.60], [0.50, 0.61, 0.70], 0.0, "does not hold"),
        ([0.50, 0.40, 0.60], [0.40, 0.50, 0.55], 0.0, "undetermined"),
        ([0.50, 0.61, 0.70], [0.40, 0.50, 0.60], 0.2, "does not hold"),
        ([0.49, 0.60, 0.69], [0.50, 0.61, 0.70], -0.02, "holds"),  # loses less than it may
        ([0.50, 0.61], [0.40, 0.51], 0.0, "undetermined"),  # too few seeds
    ],
)
def test_a_verdict_is_that_of_the_paired_difference(
    ours: list[float], theirs: list[float], by: float, verdict: str
) -> None:
    found = judge(sentence(by), curves(a=[[0.0, each] for each in ours], b=[[0.9, each] for each in theirs]))
    assert found is not None
    assert found.text == verdict


def test_a_p_value_is_students() -> None:
    for freedom, quantile in enumerate(T_975, 1):
        assert beyond(quantile, freedom) == pytest.approx(0.05, abs=3e-5)
        assert beyond(0.0, freedom) == 1
    assert beyond(1.0, 1) == pytest.approx(0.5)
    assert beyond(2.0, 4) == pytest.approx(0.1161, abs=1e-4)
    assert p_value([1.0, 2.0, 3.0], 2 - 4.303 / 3**0.5) == pytest.approx(0.05, abs=3e-5)
    assert p_value([1.0, 2.0], 0.0) is None
    assert (p_value([1.0] * 3, 0.0), p_value([1.0] * 3, 1.0)) == (0, 1)


def test_holms_method_stops_at_the_first_statement_that_is_not_decided() -> None:
    """Of p-values 0.007, 0.026 and 0.028: 0.007 x 3 <= 0.05 < 0.026 x 2, though each is below 0.05."""
    arms = curves(
        zero=[[0.0], [0.0], [0.0]],
        best=[[1.0], [1.15], [0.85]],
        worse=[[-1.0], [-1.3], [-0.72]],
        good=[[1.0], [1.3], [0.7]],
    )
    verdicts = [judge(Sentence("", "", "x", arm, "zero"), arms) for arm in ("good", "best", "worse")]
    assert [each and each.text for each in verdicts] == ["holds", "holds", "does not hold"]
    assert corrected([*verdicts]) == ["undetermined", "holds", "undetermined"]
    assert corrected([verdicts[0], None]) == ["undetermined", "undetermined"]
    assert corrected(verdicts[:1]) == ["holds"]


def test_only_seeds_of_both_arms_count() -> None:
    found = judge(sentence(), curves(a=[[0.1], [0.2], [0.3], [9.0]], b=[[0.0], [0.0], [0.0]]))
    assert found is not None
    assert (found.difference.seeds, found.one.mean) == (3, pytest.approx(0.2))
    assert judge(sentence(), curves(a=[[0.1]], b=[])) is None


def test_what_a_sentence_is_about() -> None:
    arm = curves(a=[[0.2, 0.6, 0.3, 0.4]])["a"]
    assert summary(arm, sentence())[0] == 0.4
    assert summary(arm, sentence(at="mean"))[0] == pytest.approx(0.375)
    assert summary(arm, sentence(at="fall"))[0] == pytest.approx(0.3)
    assert fall([0.1, 0.2, 0.3]) == 0
    assert summary({0: arm[0][:1]}, sentence())[0] == 0.5  # an arm that is a cold start
