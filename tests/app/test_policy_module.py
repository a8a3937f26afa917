"""A policy in Lightning: its scores in parts against scores at once, its figures, what goes into a checkpoint."""

from __future__ import annotations

import pytest
import torch

from app.policy_module import PolicyModule
from tests.app.architectures import build, draw_rows
from tests.app.updates import PASSES, fitted, sampled
from tests.conftest import build_tiny_policy


@pytest.mark.parametrize("budget", [1, 25, 1000])
@pytest.mark.parametrize("name", ["qwen2", "mistral"])
def test_scores_in_parts_are_those_at_once(name: str, budget: int) -> None:
    policy, rows = build(name), draw_rows([9, 1, 4], [0, 0, 1, 1, 2], [6, 2, 1, 6, 3])
    with torch.no_grad():
        expected = torch.stack(policy.score(rows, with_entropy=True))
    torch.testing.assert_close(PolicyModule(policy, budget).scores(rows), expected, rtol=0, atol=1e-5)


def test_no_rows_have_no_scores() -> None:
    rows = draw_rows([4], [0], [3])
    assert PolicyModule(build("qwen2"), 100).scores(rows.select(torch.tensor([], dtype=torch.long))).shape == (2, 0, 0)


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


def test_counts_travel_in_the_checkpoint() -> None:
    module, checkpoint = PolicyModule(build_tiny_policy(), 100), {}
    module.iteration, module.updates = 7, 3
    module.on_save_checkpoint(checkpoint)
    other = PolicyModule(build_tiny_policy(), 100)
    other.on_load_checkpoint(checkpoint)
    assert (other.iteration, other.updates) == (7, 3)


def test_figures_are_of_the_latest_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    module = PolicyModule(build_tiny_policy(), 100)
    monkeypatch.setattr(module, "log_dict", lambda *args, **kwargs: None)
    module.log_metrics({"train/loss": 1.0, "rollout/reward": torch.tensor(0.5)})
    module.log_metrics({"train/loss": 2.0})
    assert module.figures == {"train/loss": 2.0, "rollout/reward": 0.5}
    module.iteration += 1
    module.log_metrics({"train/loss": 3.0})
    assert module.figures == {"train/loss": 3.0}
