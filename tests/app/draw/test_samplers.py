"""Samplers: how often each problem is drawn against the chances written out, and which pool it is in."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import comb, exp

import pytest
import torch

from app.advantages import PassK, PassOne
from app.advantages.curves import curves
from app.draw import ByPassRate, Curriculum, PassRecord, Place, Pools, ProblemSampler, Uniform, Weighted
from app.knobs import Fixed, Ramp
from tests.conftest import EchoProblem

NUMBER = 6


def record(*passes: int) -> PassRecord:
    """Of problems with so many passes in a thousand answers."""
    made = PassRecord([EchoProblem(str(number)) for number in range(max(len(passes), NUMBER))])
    made.update(0, {place: (1000, count) for place, count in enumerate(passes)}, 1.0, 0.0)
    return made


def place(position: int, objective: object = None, batch: int = 0) -> Place:
    return Place(0, position, batch, lambda: objective)  # type: ignore[arg-type,return-value]


ALL = [Uniform(), ByPassRate(), ByPassRate("eta", 0.5), Pools(), Curriculum(), Curriculum(Fixed(0.5))]


@pytest.mark.parametrize("sampler", ALL, ids=repr)
def test_a_batch_holds_different_problems_and_the_same_at_the_same_place(sampler: ProblemSampler) -> None:
    known, objective = record(0, 500, 1000), curves(PassK(2), 4)
    for position in range(0, 40, 4):
        drawn = sampler.draw(known, 4, place(position, objective))
        assert len(drawn) == 4
        assert isinstance(sampler, Uniform) or len(set(drawn)) == 4  # it may hold the end of an epoch and a beginning
        assert drawn == sampler.draw(known, 4, place(position, objective))
    assert sorted(sampler.others(known, "sentence", place(0, objective))) == list(range(NUMBER))
    assert len({tuple(sampler.draw(known, 3, place(position, objective))) for position in range(0, 60, 3)}) > 3


def chances(weights: list[float], number: int) -> list[float]:
    """Of each problem to be among the first so many, drawn one by one in proportion to the weights."""
    found = [0.0] * len(weights)
    for order in permutations(range(len(weights)), number):
        left, chance = sum(weights), 1.0
        for each in order:
            chance *= weights[each] / left
            left -= weights[each]
        for each in order:
            found[each] += chance
    return found


def assert_drawn(sampler: ProblemSampler, known: PassRecord, objective: object, weights: list[float]) -> None:
    counts, times = Counter[int](), 4000
    for position in range(times):
        counts.update(sampler.draw(known, 2, place(position, objective)))
    shares = [counts[each] / times for each in range(len(weights))]
    assert shares == pytest.approx(chances(weights, 2), abs=0.03)


def test_by_pass_rate_follows_the_share_of_groups_that_teach() -> None:
    known, n, k = record(5, 100, 500, 900, 999, 990), 8, 4
    objective, rates = curves(PassK(k), n), known.rates.tolist()
    informative = [sum(comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(1, n - k + 1)) for p in rates]
    weights = [max(each, 0.2 * max(informative)) for each in informative]
    assert ByPassRate(floor=0.2).weights(known, place(0, objective)).tolist() == pytest.approx(weights)
    assert_drawn(ByPassRate(floor=0.2), known, objective, weights)


def test_by_eta_is_the_signal_of_the_objective() -> None:
    """2 N p (1 - p) w(p) for an estimator whose advantages sum to zero."""
    known, objective = record(5, 100, 500, 900, 999, 990), curves(PassOne(), 8)
    p = known.rates
    wanted = 2 * 8 * p * (1 - p) * objective.weight(p)
    torch.testing.assert_close(ByPassRate("eta", 1e-9).weights(known, place(0, objective)), wanted)
    torch.testing.assert_close(objective.expected_eta(p), wanted)


def test_without_an_objective_all_are_alike() -> None:
    assert ByPassRate().weights(record(0, 500), place(0)).tolist() == [1.0] * NUMBER


def test_a_curriculum_goes_from_easy_to_hard() -> None:
    known, sampler = record(50, 200, 500, 800, 950, 1000), Curriculum(Ramp(0.8, 0.2, end=10), width=0.1)
    for batch, target in ((0, 0.8), (5, 0.5), (10, 0.2), (99, 0.2)):
        weights = [max(exp(-(((p - target) / 0.1) ** 2) / 2), 0.01) for p in known.rates.tolist()]
        found = sampler.weights(known, place(0, batch=batch)).tolist()
        assert found == pytest.approx([max(each, 0.01 * max(weights)) for each in weights], rel=0.05)
        assert sampler.figures(known, torch.tensor([0]), place(0, batch=batch))["draw/target"] == pytest.approx(target)
    assert_drawn(Curriculum(Fixed(0.5), 0.3, 0.1), known, None, Curriculum(Fixed(0.5), 0.3, 0.1).weights(
        known, place(0)).tolist())  # fmt: skip


def test_far_from_the_target_the_nearest_problems_are_drawn_most() -> None:
    """However small the Gaussian is there: only its shape counts."""
    known = record(100, 150, 200, 250, 300, 0)
    weights = Curriculum(Fixed(0.9), width=0.05, floor=0.01).weights(known, place(0))
    p = known.rates[[3, 4]]
    assert weights.tolist() == pytest.approx([0.01] * 4 + [1.0, 0.01])
    wide = Curriculum(Fixed(0.9), width=0.05, floor=1e-9).weights(known, place(0))
    ratio = exp(-(((p[0] - 0.9) / 0.05) ** 2) / 2 + ((p[1] - 0.9) / 0.05) ** 2 / 2)
    assert wide[3].item() == pytest.approx(ratio)
    assert Curriculum(Fixed(0.9), width=1e-200).weights(known, place(0)).tolist() == [1.0] * NUMBER


class Own(Weighted):
    """A sampler of a user's."""

    def __init__(self, weights: object) -> None:
        self.given = weights

    def weights(self, record: PassRecord, place: Place) -> torch.Tensor:
        return self.given  # type: ignore[return-value]


class Listed(ProblemSampler):
    """Another."""

    def __init__(self, indices: list[int]) -> None:
        self.indices = indices

    def draw(self, record: PassRecord, number: int, place: Place) -> list[int]:
        return self.indices

    others = draw  # type: ignore[assignment]


def test_weights_may_be_of_any_type() -> None:
    wanted = Own(torch.tensor([1.0, 2, 3, 4, 5, 6]).double()).draw(record(), 4, place(0))
    for weights in ([1, 2, 3, 4, 5, 6], torch.arange(1, 7), torch.arange(1.0, 7).half()):
        assert Own(weights).draw(record(), 4, place(0)) == wanted


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=f"Own.weights gave {wrong:g}: each must be a finite number above 0"):
        Own([1.0, wrong, 1.0, 1.0, 1.0, 1.0]).draw(record(), 2, place(0))


def test_what_does_not_fit_the_problems_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Own.weights gave a shape of \(5,\): it must be \[n\] = \(6,\)"):
        Own([1.0] * 5).others(record(), "", place(0))
    assert Listed([5, 0]).draw_checked(record(), 2, place(0)) == [5, 0]
    with pytest.raises(ValueError, match=r"Listed\.draw gave 2 indices: it must be 3"):
        Listed([5, 0]).draw_checked(record(), 3, place(0))
    for method in ("draw", "others"):
        for outside in (6, -1):
            with pytest.raises(ValueError, match=f"Listed.{method} gave the index {outside}: it must be one of 0 to 5"):
                getattr(Listed([0, outside]), f"{method}_checked")(record(), 2, place(0))
    with pytest.raises(ValueError, match=r"Listed\.others gave an index twice"):
        Listed([1, 1]).others_checked(record(), "", place(0))


def test_pools_retire_put_aside_and_bring_back() -> None:
    known, pools = PassRecord([EchoProblem(str(number)) for number in range(40)]), Pools(2, 0.1, 0.25)
    solved, hard = range(10), range(10, 20)
    for batch in range(2):
        known.update(batch, {**dict.fromkeys(solved, (4, 4)), **dict.fromkeys(hard, (4, 0))}, 1.0, 0.0)
    assert [int(pool.sum()) for pool in pools.pools(known).values()] == [20, 10, 10]
    times, counts = 400, Counter[str]()
    for position in range(times):
        drawn = pools.draw(known, 10, place(position))
        counts["solved"] += len({*drawn} & {*solved})
        counts["hard"] += len({*drawn} & {*hard})
    assert counts["solved"] == times  # a tenth of ten
    assert counts["hard"] / times == pytest.approx(2.5, abs=0.1)
    known.update(2, {0: (4, 3), 10: (4, 1)}, 1.0, 0.0)
    assert pools.pools(known)["normal"][[0, 10]].all()
    figures = pools.figures(known, torch.tensor([0, 1, 11, 20]), place(0))
    assert figures["draw/normal"] == 0.5
    assert figures["draw/pool_hard"] == 9 / 40


def test_a_pool_that_is_too_small_is_filled_from_the_others() -> None:
    known, pools = PassRecord([EchoProblem(str(number)) for number in range(8)]), Pools(1, 0.25, 0.25)
    assert sorted(pools.draw(known, 8, place(0))) == list(range(8))
    known.update(0, dict.fromkeys(range(8), (4, 4)), 1.0, 0.0)  # all solved
    assert sorted(pools.draw(known, 8, place(0))) == list(range(8))


def test_within_a_pool_all_have_their_turn() -> None:
    known, pools = PassRecord([EchoProblem(str(number)) for number in range(12)]), Pools()
    drawn = []
    for batch in range(3):
        drawn += (now := pools.draw(known, 4, place(4 * batch)))
        known.update(batch, dict.fromkeys(now, (4, 2)), 1.0, 0.0)
    assert sorted(drawn) == list(range(12))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ByPassRate("reward"), "weight='reward' must be"),  # type: ignore[arg-type]
        (lambda: ByPassRate(floor=0), r"floor=0 must lie in \(0, 1\]"),
        (lambda: Curriculum(Fixed(1.5)), r"target=1.5 must be a pass rate in \[0, 1\]"),
        (lambda: Curriculum(width=0), "width=0 must be above 0"),
        (lambda: Pools(0), "in_a_row=0 must be at least 1"),
        (lambda: Pools(solved_share=0.6, hard_share=0.6), "must be at most 1 together"),
        (lambda: Pools(solved_share=-0.1), r"solved_share=-0.1 must lie in \[0, 1\]"),
        (lambda: Pools(solved_at=0.5, hard_at=0.5), "hard_at=0.5 must lie below solved_at=0.5"),
    ],
)
def test_what_can_not_be_is_refused(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]
