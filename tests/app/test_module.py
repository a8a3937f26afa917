"""The RLVR step in a real Trainer, against an update written out with the plain forward pass of transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD, AdamW

from app.advantages import AdvantageEstimator, Imitate, PassK, PassOne
from app.engines.scripted import ScriptedEngine
from app.learning_rate import Constant, Linear
from app.module import RLVRModule
from app.policy import TinyPolicy
from app.types import Completion, Request, RolloutBatch, Sampling
from tests.app.architectures import build
from tests.app.updates import PASSES, PROBLEMS, Watch, distance, dumb_update, fit, fitted, parameters, part, sampled
from tests.conftest import build_tiny_policy

# -- one update -------------------------------------------------------------------------------------


@pytest.mark.parametrize("advantage", [PassOne(), PassK(2), Imitate()], ids=repr)
def test_an_update_is_that_of_all_rows_by_hand(advantage: AdvantageEstimator) -> None:
    """Rows without advantage are not computed, and their tokens count all the same."""
    policy = build_tiny_policy()
    before, batch = parameters(policy), sampled(policy)
    dumb_update(policy, batch, advantage(batch), int(batch.lengths.sum()), on_policy=True)
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
    shuffled.completions = [[group[index] for index in order] for group in shuffled.completions]
    shuffled.rewards = shuffled.rewards[:, order]
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
    dumb_update(policy, batch, PassOne()(batch), int(batch.lengths.sum()), on_policy=True, max_grad_norm=0.01)
    assert distance(parameters(fitted([batch], max_grad_norm=0.01)), parameters(policy)) < 1e-6


def test_gradient_checkpointing_and_a_chunked_head_change_nothing() -> None:
    batch = sampled(build_tiny_policy())
    policy = build_tiny_policy(gradient_checkpointing=True, head_tokens=5)
    assert distance(parameters(fitted([batch], policy=policy)), parameters(fitted([batch]))) < 1e-6


@pytest.mark.parametrize("budget", [40, 60])
@pytest.mark.parametrize("name", ["qwen2", "mistral"])
def test_a_forward_pass_holds_no_more_tokens_than_its_budget(name: str, budget: int) -> None:
    """Padding included, and the prompt of each row where rows don't share it."""
    policy, entered = build(name), []
    policy.encode = lambda prompt: torch.arange(3, 3 + len(prompt))  # type: ignore[method-assign, assignment]
    batch = sampled(policy, PASSES[[0, 3, 0, 3]])  # type: ignore[arg-type]
    assert policy.shares_prompts == (name == "qwen2")
    embedding = policy.model.get_input_embeddings()
    embedding.register_forward_pre_hook(lambda module, inputs: entered.append(inputs[0].numel()))
    fitted([batch], policy=policy, microbatch_tokens=budget)  # type: ignore[arg-type]
    assert len(entered) > 1
    assert max(entered) <= budget


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


@pytest.mark.parametrize("on_policy", [True, False])
def test_later_minibatches_are_clipped_against_the_sampled_logprobs(on_policy: bool) -> None:
    """Four minibatches of one problem; the sampled log-probabilities are moved, so that it shows who uses them."""
    rewards = PASSES[[0, 3, 0, 3]]
    policy = build_tiny_policy()
    batch = sampled(policy, rewards)
    batch.on_policy = on_policy
    generator = torch.Generator().manual_seed(0)
    for row in batch.rows:
        row.logprobs.add_(0.3 * torch.randn(row.logprobs.shape, generator=generator))
    advantages = PassOne()(batch)
    for index in range(4):
        one = part(batch, [index])
        dumb_update(policy, one, advantages[index : index + 1], int(one.lengths.sum()), on_policy and index == 0)
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
        dumb_update(policy, one, advantages[problems], int(one.lengths.sum()), on_policy=index == 0)
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


@pytest.mark.parametrize("optimizer", [partial(AdamW, lr=3e-4), partial(SGD, lr=0.3)])
def test_a_rate_given_to_the_optimizer_raises(optimizer: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"lr=(0.0003|0.3) of the optimizer has no effect"):
        fitted([sampled(build_tiny_policy())], optimizer=optimizer)


# -- what is logged ---------------------------------------------------------------------------------


def test_figures_of_an_update() -> None:
    policy, watch = build_tiny_policy(), Watch()
    batch = sampled(policy)
    batch.on_policy = False
    for row in batch.rows:
        row.logprobs.sub_(0.3)  # every ratio is exp(0.3), above 1 + 0.28
    advantages = PassOne()(batch)
    trained = batch.lengths[[0, 3]]
    held = trained[advantages[[0, 3]] > 0].sum() / trained.sum()
    fitted([batch], callbacks=[watch])
    loss = dumb_update(policy, batch, advantages, int(batch.lengths.sum()), on_policy=False)
    (figures,) = watch.figures
    assert figures["train/loss"] == pytest.approx(loss, abs=1e-6)
    assert figures["train/clipped"] == pytest.approx(held.item(), abs=1e-6)
    assert figures["train/logprob_gap"] == pytest.approx(0.3, abs=1e-5)
    assert figures["train/updates"] == 1
    assert figures["rollout/reward"] == pytest.approx(PASSES.mean().item())
    assert figures["rollout/informative"] == 0.5


def test_the_engine_and_the_trainer_agree_on_what_was_sampled() -> None:
    watch = Watch()
    fitted([sampled(build_tiny_policy())], callbacks=[watch])
    assert watch.figures[0]["train/logprob_gap"] < 1e-6
    assert watch.figures[0]["train/clipped"] == 0


# -- supervised ---------------------------------------------------------------------------------------


def test_demonstrations_teach_by_cross_entropy() -> None:
    """Two minibatches: neither has log-probabilities to be clipped against."""
    policy = build_tiny_policy()
    engine, problems = ScriptedEngine(["{solution}"]), PROBLEMS[:2]
    engine.sync(policy)
    prompts = [policy.encode(problem.prompt) for problem in problems]
    requests = [Request(problem, prompt, "") for problem, prompt in zip(problems, prompts, strict=True)]
    batch = RolloutBatch(problems, prompts, engine.generate(requests, 1, Sampling()), torch.ones(2, 1), on_policy=True)
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
    batch = RolloutBatch(PROBLEMS, prompts, [[row]] * 4, torch.ones(4, 1))
    arguments = {"advantage": Imitate(), "optimizer": AdamW, "learning_rate": Constant(0.01)}
    module = fitted([batch] * 40, policy=policy, **arguments)
    assert module.policy.logprobs(batch.experience(torch.ones(4, 1))).sum(-1).exp().min() > 0.7


# -- the rest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mistral", "mamba"])
def test_an_architecture_that_shares_no_prompt_is_trained_all_the_same(name: str) -> None:
    policy = build(name)
    policy.encode = lambda prompt: torch.arange(3, 3 + len(prompt))  # type: ignore[method-assign, assignment]
    batch, expected = sampled(policy), build(name)  # type: ignore[arg-type]
    dumb_update(expected, batch, PassOne()(batch), int(batch.lengths.sum()), on_policy=True)  # type: ignore[arg-type]
    module = fitted([batch], policy=policy, microbatch_tokens=30)  # type: ignore[arg-type]
    assert distance(parameters(module), [value.detach() for value in expected.parameters()]) < 2e-6


def test_same_seed_same_weights() -> None:
    def weights() -> list[Tensor]:
        return parameters(fitted([sampled(build_tiny_policy())] * 3, optimizer=AdamW, learning_rate=Constant(1e-3)))

    assert distance(weights(), weights()) == 0


def test_counts_travel_in_the_checkpoint() -> None:
    module, checkpoint = RLVRModule(build_tiny_policy()), {}
    module.iteration, module.updates = 7, 3
    module.on_save_checkpoint(checkpoint)
    other = RLVRModule(build_tiny_policy())
    other.on_load_checkpoint(checkpoint)
    assert (other.iteration, other.updates) == (7, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"minibatch_size": 0}, "minibatch_size=0 must be at least 1"),
        ({"microbatch_tokens": 0}, "microbatch_tokens=0 must be at least 1"),
        ({"max_grad_norm": 0.0}, "max_grad_norm=0.0 must be above 0"),
    ],
)
def test_bad_arguments_raise(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLVRModule(TinyPolicy(), **arguments)


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
    module.minibatch_size = 2
    fit(module, [part(batch, [0, 2, 3, 1])], callbacks=[watch])
    return watch


@pytest.mark.parametrize("iteration", [0, 1, 2])
@pytest.mark.parametrize(
    "name", ["train/loss", "train/grad_norm", "train/updates", "rollout/reward", "rollout/informative"]
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
