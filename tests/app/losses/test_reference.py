"""What a KL penalty stays near: kept, followed, put in the policy's place and taken away again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from app.learning_rate import Constant
from app.losses import K2
from app.losses.reference import InitialPolicy, MovingAverage, Reference
from app.module import RLVRModule
from tests.app.updates import Watch, distance, fitted, parameters, perturbed, sampled
from tests.conftest import BY_LENGTH, CommandLine, build_tiny_policy, constant, demonstrated, gap, stage, steps

REFERENCES = [InitialPolicy(), MovingAverage(0.5)]


def moved(policy: nn.Module, by: float = 1.0) -> None:
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(by)


def test_the_initial_policy_stays() -> None:
    policy, reference = build_tiny_policy(), InitialPolicy()
    before = parameters(policy)
    reference.begin(policy)
    moved(policy)
    reference.update(policy)
    assert distance(reference.weights, before) == 0
    reference.begin(policy)
    assert distance(reference.weights, parameters(policy)) == 0


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
def test_a_moving_average_follows(decay: float) -> None:
    policy, reference = build_tiny_policy(), MovingAverage(decay)
    naive = parameters(policy)
    reference.begin(policy)
    for _ in range(3):
        moved(policy)
        reference.update(policy)
        naive = [decay * mine + (1 - decay) * new for mine, new in zip(naive, parameters(policy), strict=True)]
    assert distance(reference.weights, naive) < 1e-5
    assert distance(parameters(policy), [value + 3 for value in parameters(build_tiny_policy())]) < 1e-5


def test_a_moving_average_moves_in_bfloat16() -> None:
    """Steps of a hundredth of a hundredth, which bfloat16 would round away."""
    policy, reference = build_tiny_policy().bfloat16(), MovingAverage(0.99)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.fill_(1.0)
    reference.begin(policy)
    moved(policy, 2**-7)
    for _ in range(300):
        reference.update(policy)
    expected = 1 + 2**-7 * (1 - 0.99**300)
    assert all(weight.min().item() == pytest.approx(expected, abs=1e-4) for weight in reference.weights)
    with reference.loaded_into(policy):
        assert {parameter.dtype for parameter in policy.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: type(each).__name__)
def test_it_stands_in_and_leaves_the_policy_as_it_was(reference: Reference) -> None:
    policy, other = build_tiny_policy(), build_tiny_policy(seed=1)
    reference.begin(other)
    before, storage = parameters(policy), [value.data_ptr() for value in policy.parameters()]
    with reference.loaded_into(policy):
        assert distance(parameters(policy), parameters(other)) == 0
    assert distance(parameters(policy), before) == 0
    with pytest.raises(KeyError), reference.loaded_into(policy):
        raise KeyError
    assert distance(parameters(policy), before) == 0
    assert [value.data_ptr() for value in policy.parameters()] == storage
    assert distance(reference.weights, parameters(other)) == 0


def test_weights_of_another_policy_leave_it_as_it_was() -> None:
    policy, reference = build_tiny_policy(), InitialPolicy()
    reference.begin(policy)
    reference.weights = [weight + 1 for weight in reference.weights[:-1]]
    before = parameters(policy)
    with pytest.raises(ValueError), reference.loaded_into(policy):
        pass
    assert distance(parameters(policy), before) == 0


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: type(each).__name__)
def test_only_what_is_trained_is_kept(reference: Reference) -> None:
    """As of an adapter: one matrix is trained, and one is held."""
    policy = build_tiny_policy()
    policy.requires_grad_(False)
    head: Any = policy.model.get_output_embeddings()
    head.weight.requires_grad_(True)
    reference.begin(policy)
    assert [weight.shape for weight in reference.weights] == [head.weight.shape]
    rows = sampled(policy).experience(torch.ones(4, 6))
    before = policy.logprobs(rows).detach()
    with torch.no_grad():
        head.weight.mul_(2)
    assert (policy.logprobs(rows) - before).abs().max() > 0.1
    with reference.loaded_into(policy):
        assert torch.equal(policy.logprobs(rows), before)


def test_the_gradient_does_not_reach_what_is_kept() -> None:
    policy, reference = build_tiny_policy(), InitialPolicy()
    reference.begin(policy)
    fitted([sampled(policy)] * 2, policy=policy, kl=K2(0.1, reference))
    assert not any(weight.requires_grad for weight in reference.weights)
    assert distance(reference.weights, parameters(build_tiny_policy())) == 0


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_bad_decay_raises(decay: float) -> None:
    with pytest.raises(ValueError, match=rf"decay={decay} must lie in \[0, 1\)"):
        MovingAverage(decay)


# -- in the module ----------------------------------------------------------------------------------


def test_a_run_stays_near_the_policy_it_began_with() -> None:
    """The first update is at the reference and feels nothing; the second is drawn back, as one by hand is."""
    batch, watch = perturbed(sampled(build_tiny_policy())), Watch()
    module = fitted([batch, batch], kl=K2(0.5), callbacks=[watch])
    assert isinstance(module.kl, K2)
    assert distance(module.kl.reference.weights, parameters(build_tiny_policy())) == 0
    assert [figures["train/kl"] > 1e-6 for figures in watch.figures] == [False, True]
    plain = Watch()
    fitted([batch, batch], callbacks=[plain])
    assert distance(watch.parameters[0], plain.parameters[0]) < 1e-6
    after = [second - first for first, second in zip(plain.parameters[0], plain.parameters[1], strict=True)]
    with_kl = [second - first for first, second in zip(watch.parameters[0], watch.parameters[1], strict=True)]
    pull = [mine - usual for mine, usual in zip(with_kl, after, strict=True)]
    naive = pull_by_hand(watch.parameters[0], batch)
    assert max(each.abs().max().item() for each in naive) > 1e-3
    assert distance(pull, naive) < 2e-6


def pull_by_hand(now: list[Tensor], batch: Any) -> list[Tensor]:
    """-0.5 x the gradient of 0.5 x mean d^2 / 2 over all tokens."""
    from tests.app.architectures import plain_scores

    policy, rows = build_tiny_policy(), batch.experience(torch.zeros(4, 6))
    initial = plain_scores(policy.model, rows)[0].detach()
    for parameter, value in zip(policy.parameters(), now, strict=True):
        parameter.data = value
    loss = 0.5 * ((plain_scores(policy.model, rows)[0] - initial) ** 2 / 2).sum() / rows.num_tokens
    return [-0.5 * gradient for gradient in torch.autograd.grad(loss, list(policy.parameters()))]


def test_a_moving_average_follows_once_an_iteration() -> None:
    batch, watch = sampled(build_tiny_policy()), Watch()
    module = fitted([batch] * 3, kl=K2(0.1, MovingAverage(0.5)), callbacks=[watch], minibatch_size=2)
    assert module.kl is not None
    naive = parameters(build_tiny_policy())
    for after in watch.parameters:
        naive = [(mine + new) / 2 for mine, new in zip(naive, after, strict=True)]
    assert distance(module.kl.reference.weights, naive) < 1e-6


def test_a_stage_begins_anew() -> None:
    module = RLVRModule(build_tiny_policy(), kl=K2())
    assert module.kl is not None
    module.on_train_start()
    before = parameters(module)
    moved(module.policy)
    module.on_train_start()  # as of a run that was resumed
    assert distance(module.kl.reference.weights, before) == 0
    module.begin_stage("resumed", module.settings, is_new=False)
    assert distance(module.kl.reference.weights, before) == 0
    module.begin_stage("next", module.settings, is_new=True)
    assert distance(module.kl.reference.weights, parameters(module)) == 0


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: type(each).__name__)
def test_it_travels_in_the_checkpoint(reference: Reference) -> None:
    module, checkpoint = RLVRModule(build_tiny_policy(), kl=K2(reference=reference)), {}
    reference.begin(build_tiny_policy(seed=3))
    module.on_save_checkpoint(checkpoint)
    other = RLVRModule(build_tiny_policy(), kl=K2(reference=type(reference)()))
    assert other.kl is not None
    other.on_load_checkpoint(checkpoint)
    other.on_train_start()
    assert distance(other.kl.reference.weights, parameters(build_tiny_policy(seed=3))) == 0


def test_a_checkpoint_without_one_begins_with_the_policy_as_it_is() -> None:
    checkpoint: dict[str, Any] = {}
    RLVRModule(build_tiny_policy()).on_save_checkpoint(checkpoint)
    module = RLVRModule(build_tiny_policy(), kl=K2())
    assert module.kl is not None
    module.on_load_checkpoint(checkpoint)
    module.on_train_start()
    assert distance(module.kl.reference.weights, parameters(module)) == 0


def test_mixed_precision_trains_with_a_reference() -> None:
    """What autocast keeps of the reference's weights must not stand for the policy's."""
    batch, before = perturbed(sampled(build_tiny_policy())), parameters(build_tiny_policy())
    moves = []
    for precision in ("32-true", "bf16-mixed"):
        kl = K2(0.2)
        kl.reference.begin(build_tiny_policy(seed=1))
        module = fitted([batch], precision=precision, kl=kl, learning_rate=Constant(0.1))
        changes = [now - then for now, then in zip(parameters(module), before, strict=True)]
        moves.append(torch.cat([change.flatten() for change in changes]))
    assert 0.99 < torch.cosine_similarity(*moves, dim=0) < 1


# -- through the command line -----------------------------------------------------------------------

KL = ["--model.kl=app.losses.K2", "--model.kl.coefficient=1.0"]
AVERAGE = [*KL, "--model.kl.reference=app.losses.reference.MovingAverage", "--model.kl.reference.decay=0.5"]
STAGES = [demonstrated(), stage("explore", BY_LENGTH, learning_rate=constant(3e-3))]


@pytest.mark.slow
@pytest.mark.parametrize("options", [pytest.param(KL, id="initial"), pytest.param(AVERAGE, id="average")])
def test_a_resumed_run_ends_as_the_whole_one(passk: CommandLine, options: list[str]) -> None:
    """After a stage, before it has ended altogether, and in the middle of the next.

    The checkpoint after the stage holds the next one's reference.
    """
    saving = [
        "--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
        "--trainer.callbacks.every_n_train_steps=2",  # an iteration makes two optimizer steps
        "--trainer.callbacks.save_top_k=-1",
        "--trainer.callbacks.filename=at-{step}",
        "--trainer.callbacks.auto_insert_metric_name=false",
    ]
    whole = passk.fit(STAGES, *options, *saving)
    folder = Path(whole.trainer.log_dir)
    end = folder / "stages" / "2-explore"
    after = folder / "stages" / "1-cold-start" / "stage.ckpt"
    saved = torch.load(after, weights_only=False)
    names = [name for name, _ in whole.model.policy.named_parameters()]
    kept = [saved["state_dict"][f"policy.{name}"] for name in names]
    assert distance(saved["reference"]["weights"], kept) == 0
    for path in (after, folder / "checkpoints" / "at-2.ckpt", folder / "checkpoints" / "at-3.ckpt"):
        resumed = passk.fit(STAGES, *options, "--ckpt_path", str(path))
        assert resumed.model.iteration == 4
        assert gap(end, Path(resumed.trainer.log_dir) / "stages" / "2-explore") == 0
    without = passk.fit(STAGES, "--ckpt_path", str(after))
    assert gap(end, Path(without.trainer.log_dir) / "stages" / "2-explore") > 1e-6
    last = torch.load(folder / "checkpoints" / "at-3.ckpt", weights_only=False)["reference"]["weights"]
    assert (distance(last, kept) > 1e-6) == (options is AVERAGE)


def test_losses_penalties_and_corrections_are_named_in_yaml(passk: CommandLine) -> None:
    model = {
        "loss": {
            "class_path": "app.losses.Clipped",
            "init_args": {
                "dual_clip": 3.0,
                "reduction": {"class_path": "app.losses.ConstantLength", "init_args": {"length": 24}},
                "tokens": {"class_path": "app.losses.TopEntropy", "init_args": {"share": 0.5}},
            },
        },
        "kl": {"class_path": "app.losses.K3", "init_args": {"reference": "app.losses.reference.MovingAverage"}},
        "correction": "app.losses.GeometricMIS",
        "entropy_bonus": 0.01,
    }
    cli = passk.fit([stage("explore", BY_LENGTH, until=steps(1))], model=model)
    assert cli.model.settings.loss.reduction.length == 24
    assert cli.model.settings.loss.tokens.share == 0.5
    assert isinstance(cli.model.kl.reference, MovingAverage)
    assert cli.model.updates == 2
