"""The RLVR step in a real Trainer, against an update written out with the plain forward pass of transformers."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.optim import SGD, AdamW

from app.advantages import AdvantageEstimator, CurveRL, Imitate, PassK, PassOne, RejectionSampling
from app.engines.scripted import ScriptedEngine
from app.learning_rate import Constant, Linear
from app.losses import (
    CISPO,
    GSPO,
    K1,
    K2,
    K3,
    SAPO,
    ClipCov,
    Clipped,
    ConstantLength,
    Correction,
    GeometricMIS,
    IcePop,
    KLCov,
    KLPenalty,
    Reinforce,
    SequenceMean,
    SequenceMIS,
    SequenceTIS,
    TokenTIS,
    TopEntropy,
)  # fmt: skip
from app.module import RLVRModule
from app.policy import TinyPolicy
from app.types import Completion, Experience, Request, Rollouts, Sampling
from tests.app.architectures import build, plain_scores
from tests.app.two_processes import UNEVEN, VARIANTS, uneven, variant
from tests.app.updates import (
    PASSES,
    PROBLEMS,
    Watch,
    distance,
    fit,
    fitted,
    naive_update,
    parameters,
    part,
    perturbed,
    sampled,
)
from tests.conftest import build_tiny_policy

# -- one update -------------------------------------------------------------------------------------


@pytest.mark.parametrize("advantage", [PassOne(), PassK(2), Imitate()], ids=repr)
def test_an_update_is_that_of_all_rows_by_hand(advantage: AdvantageEstimator) -> None:
    """Rows without advantage are not computed, and their tokens count all the same."""
    policy = build_tiny_policy()
    before, batch = parameters(policy), sampled(policy)
    naive_update(policy, batch, advantage(batch), int(batch.lengths.sum()), on_policy=True)
    assert distance(parameters(policy), before) > 1e-3
    assert distance(parameters(fitted([batch], advantage=advantage)), parameters(policy)) < 1e-6


@pytest.mark.parametrize("microbatch_tokens", [1, 8, 20, 40, 100])
def test_the_size_of_microbatches_changes_nothing(microbatch_tokens: int) -> None:
    batch = sampled(build_tiny_policy())
    whole = parameters(fitted([batch]))
    assert distance(parameters(fitted([batch], microbatch_tokens=microbatch_tokens)), whole) < 1e-6


def test_the_order_of_problems_and_rollouts_changes_nothing() -> None:
    batch = sampled(build_tiny_policy())
    shuffled, order = part(batch, [2, 0, 3, 1]), [3, 5, 0, 1, 4, 2]
    shuffled = replace(shuffled, completions=[[group[index] for index in order] for group in shuffled.completions])
    shuffled = replace(shuffled, rewards=shuffled.rewards[:, order])
    whole = parameters(fitted([batch]))
    assert distance(parameters(fitted([shuffled], microbatch_tokens=30)), whole) < 1e-6


def test_rows_that_share_no_prompt_give_the_same_update() -> None:
    """Plain rows and packed rows of one model."""
    batch, policy = sampled(build_tiny_policy()), build_tiny_policy()
    policy._shares_prompts = False
    assert distance(parameters(fitted([batch], policy=policy)), parameters(fitted([batch]))) < 1e-6


def test_counting_skipped_tokens_changes_the_denominator_alone() -> None:
    batch = sampled(build_tiny_policy())
    before = parameters(build_tiny_policy())
    counted = parameters(fitted([batch]))
    left_out = parameters(fitted([batch], count_skipped_tokens=False))
    share = batch.lengths.sum() / batch.lengths[[0, 3]].sum()
    expected = [start + share * (end - start) for start, end in zip(before, counted, strict=True)]
    assert share > 1.5
    assert distance(left_out, expected) < 1e-6


def test_gradients_are_clipped_over_all_parameters() -> None:
    policy = build_tiny_policy()
    batch = sampled(policy)
    naive_update(policy, batch, PassOne()(batch), int(batch.lengths.sum()), on_policy=True, max_grad_norm=0.01)
    assert distance(parameters(fitted([batch], max_grad_norm=0.01)), parameters(policy)) < 1e-6


def test_gradient_checkpointing_and_a_chunked_head_change_nothing() -> None:
    batch = sampled(build_tiny_policy())
    policy = build_tiny_policy(gradient_checkpointing=True, head_tokens=5)
    assert distance(parameters(fitted([batch], policy=policy)), parameters(fitted([batch]))) < 1e-6


def test_autocast_gives_nearly_the_same_update() -> None:
    batch, before = sampled(build_tiny_policy()), parameters(build_tiny_policy())
    moves = []
    for precision in ("32-true", "bf16-mixed"):
        module = fitted([batch], precision=precision)
        assert all(parameter.dtype == torch.float32 for parameter in module.policy.parameters())
        moved = [now - then for now, then in zip(parameters(module), before, strict=True)]
        moves.append(torch.cat([move.flatten() for move in moved]))
    assert 0.99 < torch.cosine_similarity(*moves, dim=0) < 1


# -- several updates in an iteration ------------------------------------------------------------------


def half(scale: float) -> dict[str, Any]:
    """16-mixed on a CPU, for which Lightning's argument gives another precision."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return {"precision": None, "plugins": [MixedPrecision("16-mixed", "cpu", scaler)]}


@pytest.mark.parametrize("max_grad_norm", [1e9, 0.01])
def test_gradients_in_half_precision_are_clipped_without_their_scale(max_grad_norm: float) -> None:
    """The norm and the step are those of single precision, whatever the scale."""
    policy = build_tiny_policy()
    batch, start = sampled(policy), parameters(policy)
    single, scaled = Watch(), Watch()
    one = fitted([batch], callbacks=[single], max_grad_norm=max_grad_norm)
    other = RLVRModule(build_tiny_policy(), PassOne(), SGD, Constant(0.5), max_grad_norm=max_grad_norm)
    fit(other, deepcopy([batch]), callbacks=[scaled], **half(65536.0))
    assert scaled.figures[0]["train/grad_norm"] == pytest.approx(single.figures[0]["train/grad_norm"], rel=1e-2)
    assert scaled.figures[0]["train/loss_scale"] == 65536
    assert distance(parameters(other), parameters(one)) < 0.05 * distance(start, parameters(one))


def test_an_overflow_lowers_the_scale_and_is_no_update(caplog: pytest.LogCaptureFixture) -> None:
    """As often as it takes; it is none of those that may be skipped."""
    policy = build_tiny_policy()
    batch, start = sampled(policy), parameters(policy)
    settings = {"learning_rate": Constant(0.5), "max_consecutive_nonfinite_updates": 0}
    module, watch = RLVRModule(build_tiny_policy(), PassOne(), SGD, **settings), Watch()
    with caplog.at_level("INFO", logger="app.compute.loss_scale"):
        trainer = fit(module, deepcopy([batch] * 3), callbacks=[watch], **half(2.0**40))
    assert [row["train/loss_scale"] for row in watch.figures] == [2.0**40, 2.0**39, 2.0**38]
    assert trainer.precision_plugin.state_dict()["scale"] == 2.0**37
    assert (module.updates, module.nonfinite.in_a_row) == (0, 0)
    assert distance(parameters(module), start) == 0
    assert "update skipped, loss scale lowered to 5.49756e+11" in caplog.text


@pytest.mark.parametrize("on_policy", [True, False])
def test_later_minibatches_are_clipped_against_the_sampled_logprobs(on_policy: bool) -> None:
    """Four minibatches of one problem; the sampled log-probabilities are moved, so that it shows who uses them."""
    rewards = PASSES[[0, 3, 0, 3]]
    policy = build_tiny_policy()
    batch = sampled(policy, rewards)
    batch = replace(batch, on_policy=on_policy)
    generator = torch.Generator().manual_seed(0)
    for row in batch.rows:
        row.sampler_logprobs.add_(0.3 * torch.randn(row.sampler_logprobs.shape, generator=generator))
    advantages = PassOne()(batch)
    for index in range(4):
        one = part(batch, [index])
        naive_update(policy, one, advantages[index : index + 1], int(one.lengths.sum()), on_policy and index == 0)
    module = fitted([batch], minibatch_size=1)
    assert module.updates == 4
    assert module.iteration == 1
    assert distance(parameters(module), parameters(policy)) < 2e-6


@pytest.mark.parametrize(
    ("minibatch_size", "parts"), [(1, [[0], [1], [2]]), (2, [[0], [1, 2]]), (3, [[0, 1, 2]]), (32, [[0, 1, 2]])]
)
def test_minibatches_are_of_one_size_and_hold_all_problems(minibatch_size: int, parts: list[list[int]]) -> None:
    policy = build_tiny_policy()
    batch = sampled(policy, PASSES[[0, 3, 3]], PROBLEMS[:3])
    advantages = PassOne()(batch)
    for index, problems in enumerate(parts):
        one = part(batch, problems)
        naive_update(policy, one, advantages[problems], int(one.lengths.sum()), on_policy=index == 0)
    module = fitted([batch], minibatch_size=minibatch_size)
    assert module.updates == len(parts)
    assert distance(parameters(module), parameters(policy)) < 2e-6


# -- nothing to learn -------------------------------------------------------------------------------


def test_an_iteration_without_an_informative_row_changes_nothing() -> None:
    """Not even what AdamW remembers, though momentum and weight decay would move the parameters."""
    policy, watch = build_tiny_policy(), Watch()
    rewards = torch.zeros_like(PASSES)
    batches = [sampled(policy), sampled(policy, rewards), sampled(policy, rewards + 1)]
    optimizer = partial(AdamW, weight_decay=0.1)
    module = fitted(batches, optimizer=optimizer, callbacks=[watch], advantage=PassK(2), learning_rate=Constant(0.01))
    assert distance(watch.parameters[0], parameters(build_tiny_policy())) > 1e-3
    for later in (1, 2):
        assert distance(watch.parameters[0], watch.parameters[later]) == 0
        for name, state in watch.states[0].items():
            assert all(torch.equal(value, watch.states[later][name][key]) for key, value in state.items())
    assert (module.iteration, module.updates) == (3, 1)


def test_a_minibatch_without_an_informative_row_is_no_update() -> None:
    batch = sampled(build_tiny_policy())
    assert fitted([batch], minibatch_size=1).updates == 2


# -- learning rate and optimizer ----------------------------------------------------------------------


def test_the_rate_follows_the_updates_of_the_stage() -> None:
    policy, watch, rate = build_tiny_policy(), Watch(), Linear(1e-3, end=6, warmup=3)
    module = fitted([sampled(policy)] * 5, callbacks=[watch], optimizer=AdamW, learning_rate=rate)
    assert watch.rates == pytest.approx([rate(update) for update in range(5)])
    assert [figures["train/learning_rate"] for figures in watch.figures] == pytest.approx(watch.rates)
    assert [figures["step"] for figures in watch.figures] == [1, 2, 3, 4, 5]
    module.updates = 0  # as the schedule does when a stage begins
    fit(module, [sampled(policy)], callbacks=[watch])
    assert watch.rates[-1] == pytest.approx(rate(0))


@pytest.mark.parametrize("lr", [1e-3, 2e-3])
def test_the_optimizers_own_learning_rate_has_no_effect(lr: float) -> None:
    """Whether it is the optimizer's usual one or not: model.learning_rate sets it before each step."""
    batch = sampled(build_tiny_policy())
    usual = parameters(fitted([batch], optimizer=AdamW, learning_rate=Constant(0.01)))
    watch = Watch()
    other = fitted([batch], optimizer=partial(AdamW, lr=lr), learning_rate=Constant(0.01), callbacks=[watch])
    assert watch.rates == [0.01]
    assert distance(parameters(other), usual) == 0


# -- what is logged ---------------------------------------------------------------------------------


def test_figures_of_an_update() -> None:
    policy, watch = build_tiny_policy(), Watch()
    batch = sampled(policy)
    batch = replace(batch, on_policy=False)
    for row in batch.rows:
        row.sampler_logprobs.sub_(0.3)  # every ratio is exp(0.3), above 1 + 0.28
    advantages = PassOne()(batch)
    trained = batch.lengths[[0, 3]]
    held = trained[advantages[[0, 3]] > 0].sum() / trained.sum()
    fitted([batch], callbacks=[watch])
    loss = naive_update(policy, batch, advantages, int(batch.lengths.sum()), on_policy=False)
    (figures,) = watch.figures
    assert figures["train/loss"] == pytest.approx(loss, abs=1e-6)
    assert figures["train/clip_fraction"] == pytest.approx(held.item(), abs=1e-6)
    assert figures["train/logprob_gap"] == pytest.approx(0.3, abs=1e-5)
    assert figures["train/updates"] == 1
    assert figures["rollout/reward"] == pytest.approx(PASSES.mean().item())
    assert figures["rollout/informative"] == 0.5


def test_the_engine_and_the_trainer_agree_on_what_was_sampled() -> None:
    watch = Watch()
    fitted([sampled(build_tiny_policy())], callbacks=[watch])
    assert watch.figures[0]["train/logprob_gap"] < 1e-6
    assert watch.figures[0]["train/clip_fraction"] == 0


# -- supervised ---------------------------------------------------------------------------------------


def test_demonstrations_teach_by_cross_entropy() -> None:
    """Two minibatches: neither has log-probabilities to be clipped against."""
    policy = build_tiny_policy()
    engine, problems = ScriptedEngine(["{solution}"]), PROBLEMS[:2]
    engine.sync(policy)
    prompts = [policy.encode(problem.prompt) for problem in problems]
    requests = [Request(problem, prompt, "") for problem, prompt in zip(problems, prompts, strict=True)]
    batch = Rollouts(problems, prompts, engine.generate(requests, 1, Sampling()), torch.ones(2, 1), on_policy=True)
    for group, prompt in zip(batch.completions, prompts, strict=True):
        (row,) = group
        logits = policy.model(torch.cat([prompt, row.tokens])[None]).logits[0, len(prompt) - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits, row.tokens)
        for parameter, grad in zip(
            policy.parameters(), torch.autograd.grad(loss, list(policy.parameters())), strict=True
        ):
            parameter.data -= 0.5 * grad
    module = fitted([batch], advantage=Imitate(), minibatch_size=1)
    assert distance(parameters(module), parameters(policy)) < 1e-6


def test_imitation_makes_the_demonstration_probable() -> None:
    policy = build_tiny_policy()
    tokens = policy.tokenizer("right")["input_ids"]
    row = Completion("right", torch.tensor([*tokens, 1]), "stop")
    prompts = [policy.encode(problem.prompt) for problem in PROBLEMS]
    batch = Rollouts(PROBLEMS, prompts, [[row]] * 4, torch.ones(4, 1))
    arguments = {"advantage": Imitate(), "optimizer": AdamW, "learning_rate": Constant(0.01)}
    module = fitted([batch] * 40, policy=policy, **arguments)
    assert module.policy.logprobs(batch.experience(torch.ones(4, 1))).sum(-1).exp().min() > 0.7


# -- losses, penalties and corrections --------------------------------------------------------------


def away(kl: KLPenalty) -> KLPenalty:
    """With a reference that is not where the policy begins."""
    kl.reference.begin(build_tiny_policy(seed=1))
    return kl


SETTINGS: dict[str, Callable[[], dict[str, Any]]] = {
    "sequence mean": lambda: {"loss": Clipped(reduction=SequenceMean())},
    "constant length": lambda: {"loss": Clipped(dual_clip=3.0, reduction=ConstantLength(7))},
    "reinforce": lambda: {"loss": Reinforce()},
    "gspo": lambda: {"loss": GSPO(0.05, 0.05)},
    "cispo": lambda: {"loss": CISPO(0.1, 0.1)},
    "sapo": lambda: {"loss": SAPO()},
    "kl-cov": lambda: {"loss": KLCov(0.3, 0.5)},
    "clip-cov": lambda: {"loss": Clipped(tokens=ClipCov(0.3, 0.01, 5.0))},
    "top entropy": lambda: {"loss": Clipped(tokens=TopEntropy(0.3))},
    "k1": lambda: {"kl": away(K1(0.1))},
    "k2, sequence mean": lambda: {"kl": away(K2(0.1)), "loss": Clipped(reduction=SequenceMean())},
    "k3, bonus": lambda: {"kl": away(K3(0.1)), "entropy_bonus": 0.1},
    "bonus": lambda: {"entropy_bonus": 0.1, "count_skipped_tokens": False},
    "token tis": lambda: {"correction": TokenTIS(1.1)},
    "sequence tis": lambda: {"correction": SequenceTIS(1.1), "loss": GSPO(0.05, 0.05)},
    "icepop": lambda: {"correction": IcePop(0.9, 1.2)},
    "sequence mis": lambda: {"correction": SequenceMIS(0.8, 1.2), "loss": SAPO()},
    "geometric mis, all else": lambda: {
        "correction": GeometricMIS(0.95, 1.05), "kl": away(K3(0.1)), "entropy_bonus": 0.1,
        "loss": Clipped(dual_clip=2.0, reduction=SequenceMean(), tokens=TopEntropy(0.3)),
    },
}  # fmt: skip
"""Arguments of the module, made anew for each run."""


@pytest.mark.parametrize("name", SETTINGS)
def test_no_cut_and_no_order_of_rows_changes_an_update(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off-policy, so that ratios are not 1; against one pass over all rows, those of zero advantage too."""
    batch = perturbed(sampled(build_tiny_policy()))
    shuffled, order = part(batch, [2, 0, 3, 1]), [3, 5, 0, 1, 4, 2]
    shuffled = replace(shuffled, completions=[[group[index] for index in order] for group in shuffled.completions])
    shuffled = replace(shuffled, rewards=shuffled.rewards[:, order])
    cut = parameters(fitted([shuffled], microbatch_tokens=30, **SETTINGS[name]()))
    monkeypatch.setattr(Experience, "informative", lambda self: self)
    whole = parameters(fitted([batch], **SETTINGS[name]()))
    assert distance(whole, parameters(build_tiny_policy())) > 1e-3
    assert distance(whole, parameters(fitted([batch]))) > 1e-5  # it is not the usual update
    assert distance(cut, whole) < 1e-6


def test_kl_cov_holds_rows_without_advantage_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle two problems have none, and lie above the mean."""
    batch = perturbed(sampled(build_tiny_policy()))
    advantage = Fixed(-PASSES.new_tensor([[1.0], [0.0], [0.0], [1.0]]).expand_as(PASSES))
    settings: dict[str, Any] = {"advantage": advantage, "loss": KLCov(0.3, 2.0)}
    mine = parameters(fitted([batch], **settings))
    monkeypatch.setattr(KLCov, "informative", lambda self, update: update)
    assert distance(parameters(fitted([batch], **settings)), mine) < 1e-6
    monkeypatch.setattr(KLCov, "informative", lambda self, update: update.informative())
    assert distance(parameters(fitted([batch], **settings)), mine) > 1e-4


class Fixed(AdvantageEstimator):
    """These advantages, whatever the rewards."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return self.values


REGULARISED: dict[str, tuple[Callable[[], dict[str, Any]], bool]] = {
    "kl": (lambda: {"kl": away(K3(0.1))}, True),
    "bonus": (lambda: {"entropy_bonus": 0.1}, True),
    "neither": (dict, False),
    "a correction": (lambda: {"correction": TokenTIS()}, False),
    "kl that is only measured": (lambda: {"kl": away(K3(0.0))}, False),
}


@pytest.mark.parametrize(("settings", "moves"), REGULARISED.values(), ids=REGULARISED)
def test_rows_without_advantage_feel_a_penalty(settings: Callable[[], dict[str, Any]], moves: bool) -> None:
    batch = sampled(build_tiny_policy(), torch.zeros_like(PASSES))
    module = fitted([batch], optimizer=partial(AdamW, weight_decay=0.1), **settings())
    assert module.updates == moves
    assert (distance(parameters(module), parameters(build_tiny_policy())) > 1e-3) == moves


@pytest.mark.parametrize("name", ["kl", "bonus"])
def test_a_penalty_goes_down_and_a_bonus_up(name: str) -> None:
    watch, rate = Watch(), Constant(0.05)
    batches = [sampled(build_tiny_policy(), torch.zeros_like(PASSES))] * 5
    fitted(batches, learning_rate=rate, callbacks=[watch], kl=away(K3(1.0)), entropy_bonus=float(name == "bonus"))
    key = {"kl": "train/kl", "bonus": "train/entropy"}[name]
    values = [figures[key] for figures in watch.figures]
    assert values == sorted(values, reverse=name == "kl")
    assert values[0] > 0


def test_demonstrations_feel_no_penalty_bonus_correction_or_filter() -> None:
    batch = sampled(build_tiny_policy())
    for group in batch.completions:
        group[:] = [replace(row, sampler_logprobs=None, entropies=None) for row in group]
    batch = replace(batch, on_policy=False)
    plain, watch = parameters(fitted([batch, batch], advantage=Imitate(), minibatch_size=2)), Watch()
    for tokens in (TopEntropy(0.1), ClipCov(1.0, -9.0, 9.0)):
        settings: dict[str, Any] = {"kl": away(K2(1.0)), "entropy_bonus": 1.0, "correction": IcePop(0.9, 1.1)}
        settings |= {"loss": Clipped(tokens=tokens), "advantage": Imitate(), "minibatch_size": 2}
        module = fitted([batch, batch], callbacks=[watch], **settings)
        assert distance(parameters(module), plain) == 0
    assert not {"train/kl", "train/entropy"} & set(watch.figures[0])
    kl_cov = fitted([batch, batch], advantage=Imitate(), minibatch_size=2, loss=KLCov(1.0, 5.0))
    assert distance(parameters(kl_cov), plain) < 1e-6


def test_demonstrations_without_advantage_are_no_update_whatever_the_bonus() -> None:
    batch = sampled(build_tiny_policy(), torch.zeros_like(PASSES))
    for group in batch.completions:
        group[:] = [replace(row, sampler_logprobs=None, entropies=None) for row in group]
    assert fitted([batch], advantage=RejectionSampling(), kl=away(K3(1.0)), entropy_bonus=1.0).updates == 0


@pytest.mark.parametrize("correction", [TokenTIS(), SequenceTIS(), IcePop(), SequenceMIS(), GeometricMIS()])
@pytest.mark.parametrize("minibatch_size", [1, 32])
def test_a_correction_of_an_engine_that_is_the_policy_changes_nothing(
    correction: Correction, minibatch_size: int
) -> None:
    batch = sampled(build_tiny_policy(), PASSES[[0, 3, 0, 3]])
    usual = parameters(fitted([batch], minibatch_size=minibatch_size))
    mended = fitted([batch], minibatch_size=minibatch_size, correction=correction)
    assert distance(parameters(mended), usual) < 2e-6


@pytest.mark.parametrize("on_policy", [True, False])
@pytest.mark.parametrize("whole", [False, True])
def test_later_updates_are_corrected_towards_the_trainer_before_the_first(on_policy: bool, whole: bool) -> None:
    """Four updates of one problem: clipped against the trainer's own, weighed by how far the engine was from that."""
    policy = build_tiny_policy()
    own = sampled(policy, PASSES[[0, 3, 0, 3]])
    engines = perturbed(own)
    engines = replace(engines, on_policy=on_policy)
    mine, theirs = own.padded("sampler_logprobs"), engines.padded("sampler_logprobs")
    assert mine is not None and theirs is not None
    log_rho = mine - theirs  # [P, N, T]
    log_rho = log_rho.sum(-1, keepdim=True).expand_as(log_rho) if whole else log_rho
    weights = log_rho.exp().clamp(max=1.2)
    assert weights.min() < 0.9 and weights.max() == pytest.approx(1.2)
    advantages = PassOne()(own)[..., None] * weights
    for index in range(4):
        one = part(own, [index])
        width = int(one.lengths.max())
        count = int(one.lengths.sum())
        naive_update(policy, one, advantages[index : index + 1, :, :width], count, on_policy=False)
    correction = SequenceTIS(1.2) if whole else TokenTIS(1.2)
    module = fitted([engines], minibatch_size=1, correction=correction)
    assert module.updates == 4
    assert distance(parameters(module), parameters(policy)) < 3e-6


# -- estimating anew --------------------------------------------------------------------------------


class Ratios(AdvantageEstimator):
    """The ratios it is given, and a note of them beside those of a plain forward pass of this policy."""

    requires_importance_ratios = True

    def __init__(self, policy: TinyPolicy, of_tokens: bool = False) -> None:
        self.policy, self.of_tokens = policy, of_tokens
        self.given: list[Tensor | None] = []
        self.right: list[Tensor] = []

    def estimate(self, rollouts: Rollouts) -> Tensor:
        rows = rollouts.experience(rollouts.rewards)
        assert rows.sampler_logprobs is not None
        with torch.no_grad():
            gaps = plain_scores(self.policy.model, rows)[0] - rows.sampler_logprobs
        self.right.append(gaps.sum(-1).exp().view(rollouts.rewards.shape))
        self.given.append(rollouts.importance_ratios)
        values = torch.ones_like(rollouts.rewards) if rollouts.importance_ratios is None else rollouts.importance_ratios
        return values[..., None].expand(*values.shape, int(rollouts.lengths.max())) if self.of_tokens else values


@pytest.mark.parametrize("of_tokens", [False, True])
@pytest.mark.parametrize("on_policy", [True, False])
def test_ratios_are_those_of_the_policy_at_each_update(on_policy: bool, of_tokens: bool) -> None:
    """Four problems in two updates; the estimate before the first knows no ratio."""
    policy, before = build_tiny_policy(), build_tiny_policy()
    batch = sampled(policy)
    batch = replace(batch, on_policy=on_policy)
    estimator = Ratios(policy, of_tokens)
    module = fitted(
        [batch], policy=policy, advantage=estimator, minibatch_size=2, loss=Reinforce(), learning_rate=Constant(0.02)
    )
    assert module.updates == 2
    first, *later = estimator.given
    assert first is None
    assert len(later) == 2 - on_policy
    for problems, given, right in zip([[2, 3], [0, 1]], reversed(later), reversed(estimator.right), strict=False):
        assert given is not None
        torch.testing.assert_close(given[problems], right[problems], rtol=1e-4, atol=1e-5)
        others = [index for index in range(4) if index not in problems]
        assert torch.equal(given[others], torch.ones(2, 6))
    assert (estimator.right[-1][[2, 3]] - 1).abs().max() > 0.05
    if not on_policy:
        torch.testing.assert_close(later[0], torch.ones(4, 6), rtol=0, atol=1e-5)
    minibatches = [part(batch, [0, 1]), part(batch, [2, 3])]
    for one, weights in zip(minibatches, [torch.ones(2, 6), estimator.right[-1][[2, 3]]], strict=True):
        naive_reinforce(before, one, weights, rate=0.02)
    assert distance(parameters(module), parameters(before)) < 2e-6


def naive_reinforce(policy: TinyPolicy, batch: Rollouts, advantages: Tensor, rate: float) -> None:
    """One SGD step on -A log pi over all tokens."""
    rows = batch.experience(advantages)
    loss = -(plain_scores(policy.model, rows)[0] * rows.advantages).sum() / rows.num_tokens
    for parameter, grad in zip(policy.parameters(), torch.autograd.grad(loss, list(policy.parameters())), strict=True):
        parameter.data -= rate * grad


def test_a_response_that_became_far_likelier_has_a_finite_ratio() -> None:
    policy = build_tiny_policy()
    batch = sampled(policy)
    batch = replace(batch, on_policy=False)
    for row in batch.rows:
        row.sampler_logprobs.sub_(1000)
    estimator = Ratios(policy)
    fitted([batch], policy=policy, advantage=estimator, learning_rate=Constant(1e-9))
    assert estimator.given[-1] is not None
    assert estimator.given[-1].isfinite().all()


# -- the rest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mistral", "mamba"])
def test_an_architecture_that_shares_no_prompt_is_trained_all_the_same(name: str) -> None:
    policy = build(name)
    policy.encode = lambda prompt: torch.arange(3, 3 + len(prompt))  # type: ignore[method-assign, assignment]
    batch, expected = sampled(policy), build(name)  # type: ignore[arg-type]
    naive_update(expected, batch, PassOne()(batch), int(batch.lengths.sum()), on_policy=True)  # type: ignore[arg-type]
    module = fitted([batch], policy=policy, microbatch_tokens=30)  # type: ignore[arg-type]
    assert distance(parameters(module), [value.detach() for value in expected.parameters()]) < 2e-6


def test_same_seed_same_weights() -> None:
    def weights() -> list[Tensor]:
        return parameters(fitted([sampled(build_tiny_policy())] * 3, optimizer=AdamW, learning_rate=Constant(1e-3)))

    assert distance(weights(), weights()) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"minibatch_size": 0}, "minibatch_size=0 must be at least 1"),
        ({"microbatch_tokens": 0}, "microbatch_tokens=0 must be at least 1"),
        ({"max_grad_norm": 0.0}, "max_grad_norm=0.0 must be above 0"),
        ({"entropy_bonus": -0.1}, "entropy_bonus=-0.1 must be at least 0"),
        ({"entropy_bonus": float("nan")}, "entropy_bonus=nan must be at least 0"),
    ],
)
def test_bad_arguments_raise(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLVRModule(TinyPolicy(), **arguments)


# -- the state of an objective ------------------------------------------------------------------------


def test_without_a_schedule_an_objective_goes_on_from_its_state(tmp_path: Path) -> None:
    """Three iterations, resumed after the second; a checkpoint within an iteration has the state before it."""
    batches = [part(sampled(build_tiny_policy()), order) for order in ([0, 1], [3, 2], [0, 3])]
    settings: dict[str, Any] = {"optimizer": SGD, "learning_rate": Constant(0.5)}
    whole, first, other = (RLVRModule(build_tiny_policy(), CurveRL(), **settings) for _ in range(3))
    fit(whole, deepcopy(batches))
    fit(first, deepcopy(batches[:2])).save_checkpoint(tmp_path / "two.ckpt")
    state = first.settings.advantage.state_dict()
    first.settings.advantage.observe(batches[2])
    checkpoint: dict[str, Any] = {}
    first.on_save_checkpoint(checkpoint)
    assert checkpoint["objective"] == {"CurveRL": state}
    other.on_load_checkpoint(torch.load(tmp_path / "two.ckpt", weights_only=True))
    other.load_state_dict(first.state_dict())
    assert other.settings.advantage.state_dict() == state != CurveRL().state_dict()
    fit(other, deepcopy(batches[2:]))
    assert other.settings.advantage.state_dict() == whole.settings.advantage.state_dict()
    assert distance(parameters(other), parameters(whole)) == 0
    RLVRModule(build_tiny_policy(), PassOne()).on_load_checkpoint(checkpoint)  # another class: nothing is restored


# -- unscored answers -------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, UNEVEN["ratios, correction, k3"]()])
def test_unscored_answers_train_as_if_they_had_not_been_drawn(changes: dict[str, Any]) -> None:
    batch = perturbed(sampled(build_tiny_policy(), PASSES.clone()))
    batch.rewards[:, 2] = torch.nan
    batch.rewards[0, [0, 2]] = torch.tensor([torch.nan, 0.0])
    without = batch.select(torch.arange(4), batch.scored)
    assert without.rewards.shape == (4, 5)
    found, wanted = (parameters(fitted([each], **{"minibatch_size": 2, **changes})) for each in (batch, without))
    assert distance(found, wanted) < 1e-7
    assert distance(found, parameters(build_tiny_policy())) > 1e-3


def test_a_batch_without_a_score_trains_nothing() -> None:
    batch = sampled(build_tiny_policy(), torch.full_like(PASSES, torch.nan))
    assert distance(parameters(fitted([batch])), parameters(build_tiny_policy())) == 0


# -- two processes ----------------------------------------------------------------------------------


def test_two_processes_train_as_one_does(two_processes: list[dict[str, Any]]) -> None:
    """Three iterations of four problems, two on each process.

    In the second, one process has nothing to learn from; the third is made of two minibatches, of
    a problem from each process.
    """
    watch = in_one_process()
    for result in two_processes:
        assert [distance(*pair) < 1e-6 for pair in zip(result["parameters"], watch.parameters, strict=True)] == [
            True
        ] * 3


def in_one_process() -> Watch:
    """What `two_processes.train` does."""
    batch, watch = sampled(build_tiny_policy()), Watch()
    module = fitted([part(batch, [0, 1, 2, 3]), part(batch, [0, 3, 1, 2])], callbacks=[watch])
    module.settings = replace(module.settings, minibatch_size=2)
    fit(module, [part(batch, [0, 2, 3, 1])], callbacks=[watch])
    return watch


@pytest.mark.parametrize("iteration", [0, 1, 2])
@pytest.mark.parametrize(
    "name",
    [
        *("train/loss", "train/grad_norm", "train/updates", "rollout/reward", "rollout/informative", "rollout/length"),
        *("rollout/distinct_wrong", "entropy/mean"),
    ],
)
def test_two_processes_tell_what_one_does(two_processes: list[dict[str, Any]], name: str, iteration: int) -> None:
    watch = in_one_process()
    for result in two_processes:
        assert result["figures of training"][iteration][name] == pytest.approx(watch.figures[iteration][name], abs=1e-5)


def test_two_processes_decide_by_the_same_figures(two_processes: list[dict[str, Any]]) -> None:
    """A trigger that fires on one process alone would leave the other waiting for ever."""
    first, second = (result["figures to decide by"] for result in two_processes)
    assert first
    assert first == pytest.approx(second)


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_choose_as_one_does(two_processes: list[dict[str, Any]], name: str) -> None:
    """Means, shares and thresholds are over the tokens of both."""
    alone = variant(name)
    assert distance(alone, parameters(build_tiny_policy())) > 1e-3
    for result in two_processes:
        assert distance(result["variants"][name], alone) < 1e-6


@pytest.mark.parametrize("name", UNEVEN)
def test_a_process_without_a_row_in_an_update_waits_for_the_other(
    two_processes: list[dict[str, Any]], name: str
) -> None:
    alone = uneven(name)
    assert distance(alone, parameters(build_tiny_policy())) > 1e-3
    for result in two_processes:
        assert distance(result["uneven"][name], alone) < 2e-6
