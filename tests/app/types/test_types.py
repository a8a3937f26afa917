"""Batches, their flattening, and the parts that are trained one after another."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from app.types import Completion, Experience, ProblemBatch, Rollouts, Sampling
from tests.app.architectures import draw_rows
from tests.conftest import EchoProblem


def completion(length: int, first: int = 3, **changes: Any) -> Completion:
    tokens = torch.arange(first, first + length)
    arguments = {
        "text": "x" * length,
        "tokens": tokens,
        "finish": "stop",
        "sampler_logprobs": -tokens.float(),
        **changes,
    }
    return Completion(**arguments)


def many_rows(seed: int) -> Experience:
    """Up to 6 problems, some of them without a row, with up to 5 rows each; row b's advantage is b + 1."""
    random = Random(seed)
    prompts = [random.randint(1, 9) for _ in range(6)]
    problem = [index for index in range(6) for _ in range(random.randint(0, 5))] or [0]
    responses = [random.randint(1, 12) for _ in problem]
    advantages = torch.arange(1.0, len(problem) + 1)
    logprobs = torch.randn(len(problem), max(responses), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(max(responses)) < torch.tensor(responses)[:, None]
    return draw_rows(prompts, problem, responses, advantages=advantages[:, None] * mask, sampler_logprobs=logprobs)


def listed(rows: Experience) -> list[tuple[Any, ...]]:
    """Each row as (problem, tokens, log-probabilities, advantage), without its padding."""
    assert rows.sampler_logprobs is not None
    values = zip(rows.problem, rows.tokens, rows.sampler_logprobs, rows.advantages, rows.mask, strict=True)
    return [(int(p), t[m].tolist(), q[m].tolist(), float(a[0])) for p, t, q, a, m in values]


def joined(parts: list[Experience]) -> list[tuple[Any, ...]]:
    return [row for part in parts for row in listed(part)]


def cost(part: Experience) -> int:
    """Its tokens, a prompt counted once."""
    return sum(len(part.prompts[index]) for index in set(part.problem.tolist())) + part.num_tokens


# -- Experience -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_select_takes_rows_and_crops(seed: int) -> None:
    rows = many_rows(seed)
    index = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[: max(1, len(rows) // 2)]
    part = rows.select(index)
    assert listed(part) == [listed(rows)[place] for place in index.tolist()]
    assert part.tokens.shape[1] == part.mask.sum(-1).max()
    chosen = torch.zeros(len(rows), dtype=torch.bool).index_fill(0, index, True)
    assert listed(rows.select(chosen)) == [row for row, keep in zip(listed(rows), chosen.tolist(), strict=True) if keep]


def test_select_of_no_row_is_empty() -> None:
    part = many_rows(0).select(torch.zeros(len(many_rows(0)), dtype=torch.bool))
    assert len(part) == 0
    assert part.num_tokens == 0
    assert list(part.microbatches(5)) == []


def test_select_without_recorded_logprobs() -> None:
    rows = draw_rows([3, 1], [0, 1], [2, 4])
    assert rows.select(torch.tensor([0])).sampler_logprobs is None


def test_informative_leaves_zero_advantages_out() -> None:
    advantages = torch.zeros(4, 4)
    advantages[1], advantages[3, 2] = -0.5, 1e-9  # one row has it on a single token
    rows = draw_rows([3, 1], [0, 0, 1, 1], [2, 4, 1, 3], advantages=advantages)
    part = rows.informative()
    assert part.problem.tolist() == [0, 1]
    assert part.advantages[:, 2].tolist() == pytest.approx([-0.5, 1e-9])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("num_parts", [1, 2, 3, 4, 6, 7, 20])
def test_split_is_a_partition_into_equal_numbers_of_problems(seed: int, num_parts: int) -> None:
    """Of six problems; a problem without a row counts, and parts beyond the sixth are empty."""
    rows = many_rows(seed)
    parts = list(rows.split(num_parts))
    assert joined(parts) == listed(rows)
    assert len(parts) == num_parts
    part_of = {problem: index for index, part in enumerate(parts) for problem in part.problem.tolist()}
    assert [part_of[problem] for problem in rows.problem.tolist()] == sorted(
        index for index, part in enumerate(parts) for _ in range(len(part))
    )
    one_each = draw_rows([3] * 6, list(range(6)), [2] * 6)
    sizes = [len(part) for part in one_each.split(num_parts)]
    assert sum(sizes) == 6
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("problems", [1, 2, 5, 6, 8, 12])
def test_the_parts_of_several_processes_are_those_of_one(problems: int, processes: int) -> None:
    """A part has the same problems however they are dealt, and so never more than one process would train on."""
    for num_parts in range(1, problems + 3):
        whole = draw_rows([3] * problems, list(range(problems)), [2] * problems)
        expected = [part.problem.tolist() for part in whole.split(num_parts)]
        found: list[list[int]] = [[] for _ in range(num_parts)]
        for rank in range(min(processes, problems)):
            dealt = range(rank, problems, processes)
            own = draw_rows([3] * len(dealt), list(range(len(dealt))), [2] * len(dealt))
            for index, part in enumerate(own.split(num_parts, problems, rank, processes)):
                found[index] += [dealt[place] for place in part.problem.tolist()]
        assert [sorted(part) for part in found] == expected


@pytest.mark.parametrize("seed", range(8))
def test_microbatches_are_a_partition_within_the_budget(seed: int) -> None:
    rows = many_rows(seed)
    for budget in [*range(1, 60), 10_000]:
        parts = list(rows.microbatches(budget))
        assert joined(parts) == listed(rows)
        assert all(cost(part) <= budget or len(part) == 1 for part in parts)
        for problem in set(rows.problem.tolist()):
            alone = rows.select(rows.problem == problem)
            assert cost(alone) > budget or sum(problem in part.problem for part in parts) == 1


def test_a_budget_for_all_gives_one_microbatch() -> None:
    rows = many_rows(3)
    (only,) = rows.microbatches(cost(rows))
    assert listed(only) == listed(rows)
    assert len(list(rows.microbatches(cost(rows) - 1))) == 2


# -- Rollouts ---------------------------------------------------------------------------------


def batch(**changes: Any) -> Rollouts:
    """2 problems with 3 rollouts each, of 1 to 5 tokens."""
    rows = [
        [completion(2), completion(1, finish="length"), completion(5)],
        [completion(3, first=9), completion(3), completion(4, finish="length")],
    ]
    arguments = {
        "problems": [EchoProblem("one"), EchoProblem("two")],
        "prompts": [torch.tensor([5, 6]), torch.tensor([7])],
        "completions": rows,
        "rewards": torch.tensor([[1.0, 0.0, 0.99], [0.0, 1.0, 1.0]]),
        **changes,
    }
    return Rollouts(**arguments)


def test_pictures_stay_with_their_problems() -> None:
    """Selected, put in another's place, and in rows, which have nothing of a problem without pictures."""
    seen = [{"pixel_values": torch.full((1,), float(place))} for place in range(3)]
    taken, other = batch(vision=seen[:2]), batch(vision=[seen[2], {}])
    assert taken.select(torch.tensor([1])).vision == [seen[1]]
    taken = taken.substitute(torch.tensor([0]), other, torch.tensor([0]))
    assert taken.vision == [seen[2], seen[1]]
    assert taken.experience(torch.ones(2, 3)).select(torch.tensor([4])).vision_or_empty == [seen[2], seen[1]]
    assert batch().experience(torch.ones(2, 3)).vision_or_empty == [{}, {}]


def test_marks_and_prefixes_stay_with_their_problems() -> None:
    one = batch(explore=torch.tensor([True, False]), prefixes=[0, 1])
    other = batch(explore=torch.tensor([False, True]), prefixes=[1, 0])
    mixed = one.substitute(torch.tensor([1]), other, torch.tensor([1]))
    assert mixed.explore is not None
    assert (mixed.explore.tolist(), mixed.prefixes) == ([True, True], [0, 0])
    assert one.explore is not None
    assert one.explore.tolist() == [True, False]
    assert one.select(torch.tensor([1])).prefixes == [1]
    assert one.from_beginning.tolist() == [True, False]
    assert batch().from_beginning.tolist() == [True, True]


def test_outcomes_hold_the_first_passing_answer_from_its_beginning() -> None:
    found = batch(prefixes=[0, 1], rewards=torch.tensor([[0.0, torch.nan, 0.0], [0.0, 1.0, 1.0]]))
    one, two = found.outcomes(with_passing=True)
    assert (one.problem, one.prefix, one.answers, one.passes, one.passing) == (found.problems[0], 0, 2, 0, None)
    assert (two.prefix, two.answers, two.passes) == (1, 3, 2)
    assert two.passing is not None
    assert two.passing.tolist() == [*found.prompts[1][-1:].tolist(), *found.completions[1][1].tokens[:-1].tolist()]
    assert found.outcomes(with_passing=False)[1].passing is None


def test_figures_stay_grouped() -> None:
    rollouts = batch()
    assert len(rollouts) == 2
    assert rollouts.passed.tolist() == [[True, False, False], [False, True, True]]
    assert rollouts.lengths.tolist() == [[2, 1, 5], [3, 3, 4]]
    assert rollouts.truncated.tolist() == [[False, True, False], [False, False, True]]
    assert [len(row.tokens) for row in rollouts.rows] == [2, 1, 5, 3, 3, 4]


def test_entropy_of_a_problem_is_the_mean_over_its_tokens() -> None:
    values = [[[1.0, 3.0], [2.0], [0.0] * 5], [[1.0] * 3, [2.0] * 3, [3.0] * 4]]
    rows = [[completion(len(value), entropies=torch.tensor(value)) for value in group] for group in values]
    assert batch(completions=rows).entropies.tolist() == pytest.approx([6 / 8, 21 / 10])


def test_entropy_is_nan_where_it_was_not_recorded() -> None:
    entropies = batch().entropies
    assert entropies.shape == (2,)
    assert entropies.isnan().all()


def test_experience_flattens_once() -> None:
    advantages = torch.arange(6.0).view(2, 3)
    rollouts = batch(temperature=0.7)
    rows = rollouts.experience(advantages)
    assert rows.tokens.shape == rows.mask.shape == (6, 5)
    assert rows.temperature == 0.7
    assert rows.num_tokens == 18
    expected = [
        (index // 3, row.tokens.tolist(), (-row.tokens.float()).tolist(), float(index))
        for index, row in enumerate(rollouts.rows)
    ]
    assert listed(rows) == expected


def test_experience_has_no_logprobs_unless_every_row_has() -> None:
    rows = batch().completions
    rows[0][0] = completion(2, sampler_logprobs=None)
    assert batch(completions=rows).experience(torch.zeros(2, 3)).sampler_logprobs is None


def test_a_batch_stays_on_the_host() -> None:
    """Its problems are no tensors, and its rollouts are sampled where the policy is."""
    problems = ProblemBatch(batch().problems, batch())
    assert problems.to("meta") is problems
    assert problems.rollouts.rewards.device.type == "cpu"


def test_a_batch_without_rollouts_says_so() -> None:
    with pytest.raises(ValueError, match="needs a RolloutCallback, and it must come first"):
        ProblemBatch(batch().problems).rollouts  # noqa: B018 - it raises


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": torch.zeros(2, 2)}, r"rewards of shape \(2, 2\) for 2 problems with \[3\] completions"),
        ({"rewards": torch.zeros(6)}, r"rewards of shape \(6,\)"),
        ({"prompts": [torch.tensor([5])]}, "1 prompts for 2 problems"),
        ({"vision": [{}]}, "1 vision for 2 problems"),
        ({"explore": torch.ones(3, dtype=torch.bool)}, r"explore of shape \(3,\) must be \[P\] = \(2,\)"),
        ({"importance_ratios": torch.ones(2)}, r"importance_ratios of shape \(2,\) must be \[P, N\] = \(2, 3\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch(**changes)


def test_rollouts_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        batch().rewards = torch.zeros(2, 3)  # type: ignore[misc]


# -- Sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": -0.1}, "temperature=-0.1 must be at least 0"),
        ({"temperature": float("nan")}, "temperature=nan must be at least 0"),
        ({"top_p": 0.0}, r"top_p=0.0 must lie in \(0, 1\]"),
        ({"top_p": 1.01}, r"top_p=1.01 must lie in \(0, 1\]"),
        ({"top_p": float("nan")}, r"top_p=nan must lie in \(0, 1\]"),
        ({"top_k": -1}, "top_k=-1 must be at least 0"),
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be at least 1"),
    ],
)
def test_bad_sampling_raises(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**changes)


def test_the_bounds_themselves_are_fine() -> None:
    Sampling(temperature=0, top_p=1, top_k=0, max_new_tokens=1)


# -- Problem --------------------------------------------------------------------------------------


def test_a_problem_demonstrates_its_solution_and_draws_nothing() -> None:
    problem = EchoProblem("say this")
    assert problem.demonstrate(Random(0)) == "say this"
    assert problem.score(problem.solution) == 1.0
    assert problem.draw("say this") is None


def test_tensors_of_the_batch_are_not_shared_with_its_rows() -> None:
    """Training may not write into what was sampled."""
    rollouts = batch()
    rows: Tensor = rollouts.experience(torch.zeros(2, 3)).tokens
    rows.zero_()
    assert rollouts.rows[0].tokens.tolist() == [3, 4]
