"""What a GPU computes, against what the CPU does.  Skipped where there is none."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor

from app.advantages import AdvantageEstimator
from app.compute.attention import PackedRow, packed
from app.compute.attention.packed import error_of_varlen
from app.engines.decoders import SharedPrefixDecoder
from app.engines.graphs import FIRST_SPAN, GraphedDecoder
from app.engines.transformers import decoder_for
from app.policy import Policy
from app.policy.lora import LoRA, QLoRA
from app.types import Completion, Experience, Rollouts, Sampling
from tests.app.advantages.test_contract import ALL, rollouts
from tests.app.architectures import ARCHITECTURES, TablePolicy, build, draw_rows, gradients
from tests.app.engines.test_transformers import eager_to_stop, requests, said, sample
from tests.app.losses.loops import random_rows
from tests.app.losses.test_loops import LOSSES
from tests.app.policy.test_base import RAGGED
from tests.app.policy.test_lora import adapted
from tests.conftest import BY_LENGTH, CommandLine, build_tiny_policy, constant, demonstrated, gap, stage, steps

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def on_gpu(value: Any) -> Any:
    """The same with every tensor in it on the GPU."""
    if isinstance(value, Tensor | Policy):
        return value.to("cuda")
    if isinstance(value, list):
        return [on_gpu(each) for each in value]
    if isinstance(value, Rollouts | Completion) or (is_dataclass(value) and hasattr(value, "mask")):
        return replace(value, **{f.name: on_gpu(getattr(value, f.name)) for f in fields(value)})
    return value


def assert_near(found: Tensor, expected: Tensor, atol: float = 1e-4) -> None:
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=atol)


# -- scores, gradients, samples -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_and_gradients(name: str) -> None:
    rows, found = draw_rows(*RAGGED), []
    for policy, own in ((build(name), rows), (on_gpu(build(name)), on_gpu(rows))):
        logprobs, entropies = policy.score(own, with_entropy=True)
        (logprobs * own.advantages).sum().backward()
        found.append((policy.shares_prompts, logprobs.detach(), entropies.detach(), gradients(policy)))
    (shares, logprobs, entropies, of_cpu), (shares_too, *scores, of_gpu) = found
    assert shares == shares_too
    assert_near(scores[0], logprobs)
    assert_near(scores[1], entropies)
    assert of_cpu.keys() == of_gpu.keys()
    for each in of_cpu:
        assert_near(of_gpu[each], of_cpu[each], atol=1e-3 * float(of_cpu[each].abs().max()) + 1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_samples(name: str) -> None:
    """The same sentences seed the same rollouts, up to a number within rounding of a border between tokens."""
    asked, sampling = requests(), Sampling(max_new_tokens=12)
    groups = [sample(p, asked, 6, sampling) for p in (eager_to_stop(build(name)), on_gpu(eager_to_stop(build(name))))]
    ours, theirs = ([row for group in each for row in group] for each in groups)
    alike = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.tokens.tolist() == b.tokens.tolist()]
    assert len(alike) >= len(ours) - 1
    for one, other in alike:
        assert one.sampler_logprobs is not None and other.sampler_logprobs is not None
        assert_near(other.sampler_logprobs, one.sampler_logprobs)


@pytest.mark.parametrize("heads", [(6, 6, 8), (6, 2, 64), (14, 2, 64), (8, 4, 128), (4, 1, 256)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lines_without_padding_are_attention_with_repeated_keys(
    heads: tuple[int, int, int], dtype: torch.dtype
) -> None:
    """FlashAttention of parts (`varlen.py`): query heads, key heads and their size."""
    assert error_of_varlen(torch.device("cuda"), dtype, *heads) < 0.02


def test_training_in_bfloat16_repeats_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = on_gpu(draw_rows([30, 9], [0, 0, 1, 1, 1], [26, 12, 11, 6, 33]))
    policy = on_gpu(build_wide())
    with mock.patch.object(PackedRow, "_attend_at_once", side_effect=AssertionError):
        monkeypatch.setattr(packed, "agrees", lambda *_: True)  # else it would be called for the comparison
        by_lines = scores_and_gradients(policy, rows)
    monkeypatch.setattr(packed, "is_supported", lambda *_: False)
    for mine, usual in zip(by_lines, scores_and_gradients(policy, rows), strict=True):
        torch.testing.assert_close(mine, usual, rtol=0.05, atol=0.05 * float(usual.abs().max()))


def build_wide() -> TablePolicy:
    """Four query heads and two key heads of 16 numbers: the kernel takes multiples of 8."""
    usual = ARCHITECTURES["qwen2"]
    policy = TablePolicy(replace(usual, shape={**usual.shape, "hidden_size": 64}))
    policy.build()
    return policy


def scores_and_gradients(policy: Policy, rows: Experience) -> list[Tensor]:
    with torch.autocast("cuda", torch.bfloat16):
        logprobs = policy.logprobs(rows)
    (logprobs * rows.advantages).sum().backward()
    return [logprobs.detach(), *gradients(policy).values()]


@pytest.mark.parametrize("name", ["qwen2", "mistral", "mamba"])
def test_in_bfloat16_what_is_recorded_is_what_the_trainer_computes(name: str) -> None:
    policy, asked = on_gpu(eager_to_stop(build(name, scale=1.0))), requests()
    with torch.autocast("cuda", torch.bfloat16), torch.no_grad():
        groups = sample(policy, asked, 4, Sampling(max_new_tokens=12))
        batch = Rollouts(
            [r.problem for r in asked], [r.tokens for r in asked], groups, torch.zeros(len(asked), len(groups[0]))
        )
        rows = batch.experience(torch.zeros(3, 4, device="cuda"))
        torch.testing.assert_close(rows.sampler_logprobs, policy.logprobs(rows), rtol=0, atol=3e-2)


@pytest.mark.parametrize("name", ["qwen2", "llama", "granite"])
@pytest.mark.parametrize("precise", [True, False])
def test_recorded_steps_are_the_steps_themselves(name: str, precise: bool) -> None:
    """Over several spans, and with rollouts that leave; after an update of the weights too."""
    policy, asked, sampling = on_gpu(eager_to_stop(build(name))), requests(), Sampling(max_new_tokens=90)
    policy.model.generation_config.eos_token_id = [1, 2]
    assert decoder_for(policy) is GraphedDecoder
    for _ in range(2):
        with torch.autocast("cuda", torch.bfloat16, enabled=not precise):
            recorded = sample(policy, asked, 6, sampling)
            with mock.patch("app.engines.transformers.decoder_for", lambda policy: SharedPrefixDecoder):
                stepped = sample(policy, asked, 6, sampling)
        assert max(len(row.tokens) for group in stepped for row in group) > 2 * FIRST_SPAN
        pairs = [(a, b) for one, other in zip(recorded, stepped, strict=True) for a, b in zip(one, other, strict=True)]
        alike = [(a, b) for a, b in pairs if a.tokens.tolist() == b.tokens.tolist()]
        assert len(alike) >= len(pairs) - (1 if precise else 9)
        for a, b in alike:
            torch.testing.assert_close(a.sampler_logprobs, b.sampler_logprobs, rtol=0, atol=1e-4 if precise else 0.2)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.mul_(1.05)


def test_rollouts_do_not_depend_on_what_is_sampled_beside_them() -> None:
    policy, asked, sampling = on_gpu(eager_to_stop(build("qwen2"))), requests(), Sampling(max_new_tokens=12)
    together = sample(policy, asked, 6, sampling)
    assert said([sample(policy, [request], 6, sampling)[0] for request in asked]) == said(together)


# -- objectives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_advantages(estimator: AdvantageEstimator) -> None:
    assert_near(estimator(on_gpu(rollouts())), estimator(rollouts()), atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    loss, (rows, _), found = LOSSES[name][0], random_rows(), []
    for update in (rows, on_gpu(rows)):
        assert update.sampler_logprobs is not None and update.old_logprobs is not None
        update = replace(update, token_mask=loss.select_tokens(update))
        found.append(
            (
                loss(update.sampler_logprobs - update.old_logprobs, update.sampler_logprobs, update),
                loss.reduction.weights(update.mask),
            )
        )
    for on_cpu, on_it in zip(*found, strict=True):
        assert_near(on_it, on_cpu, atol=1e-5)


# -- the command line -----------------------------------------------------------------------------------

GPU = {"trainer": {"accelerator": "gpu", "precision": "bf16-mixed", "deterministic": "warn"}}


def test_a_run_learns_and_resumes_exactly(passk: CommandLine) -> None:
    """In bfloat16 over weights in single precision, from the cold start to the last stage, with a KL penalty.

    Bit for bit where sums run in one order (`deterministic`); as usual, a GPU adds in whatever order threads come.
    """
    model = {"kl": {"class_path": "app.losses.K3", "init_args": {"coefficient": 0.1}}}
    stages = [demonstrated(), stage("explore", BY_LENGTH, until=steps(3), learning_rate=constant(1e-2))]
    cli = passk.fit(stages, model=model, **GPU)
    folder = Path(cli.trainer.log_dir) / "stages"
    assert gap(folder / "1-cold-start", folder / "2-explore") > 1e-3
    again = passk.fit(stages, f"--ckpt_path={folder / '1-cold-start/stage.ckpt'}", model=model, **GPU)
    assert gap(folder / "2-explore", Path(again.trainer.log_dir) / "stages/2-explore") == 0
    passk("validate", f"--ckpt_path={folder / '2-explore/stage.ckpt'}", **GPU)
    passk("predict", f"--ckpt_path={folder / '2-explore/stage.ckpt'}", **GPU)


@pytest.mark.parametrize("kind", [LoRA, QLoRA])
def test_adapters(kind: type[LoRA], tmp_path: Path) -> None:
    build_tiny_policy(hidden_size=64, intermediate_size=128, num_heads=4).save(tmp_path / "base")
    policy = on_gpu(adapted(tmp_path / "base", kind(rank=4, alpha=8), scale=0.1))
    rows = on_gpu(draw_rows(*RAGGED))
    with torch.autocast("cuda", torch.bfloat16):
        policy.logprobs(rows).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in policy.parameters() if p.requires_grad)
    policy.save(tmp_path / "export")
    assert (tmp_path / "export/adapter").is_dir()
