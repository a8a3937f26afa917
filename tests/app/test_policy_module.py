"""A policy in Lightning: its scores in parts against scores at once, its figures, what goes into a checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer

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


def test_shards_give_the_scores_of_whole_weights_and_are_gathered_layer_by_layer(
    two_processes: list[dict[str, Any]],
) -> None:
    """Also where a process has no problem, as in a round of dynamic sampling in which it replaces none."""
    rescored = PolicyModule(build_tiny_policy(), 40).rescored(sampled(build_tiny_policy()))
    expected = [row.old_logprobs for row in rescored.rows]
    first, second = (result["scores in shards"] for result in two_processes)
    assert second["logprobs"] == [] and len(first["logprobs"]) == len(expected)
    for mine, theirs in zip(first["logprobs"], expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    assert len(first["whole weights after the layers"]) == len(second["whole weights after the layers"]) > 1
    assert {*first["whole weights after the layers"], *second["whole weights after the layers"]} == {0}


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


class Logging(Callback):
    """Logs a number in every iteration and another in the first one, as a user's callback does."""

    def __init__(self) -> None:
        self.figures: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: PolicyModule, *_: Any) -> None:  # type: ignore[override]
        self.log("own/number", torch.tensor(7.0))  # in tests' batches of one problem
        self.log("own/numpy", np.float32(0.5))
        if not self.figures:
            self.log_dict({"own/first": 1})
        self.figures.append(dict(pl_module.figures))


def test_figures_are_the_numbers_logged_in_the_latest_iteration() -> None:
    policy, logging = build_tiny_policy(), Logging()
    fitted([sampled(policy, PASSES), sampled(policy, PASSES)], policy=policy, callbacks=[logging])
    first, second = logging.figures
    assert {"own/number", "own/first", "rollout/reward", "train/loss", "step"} <= set(first)
    assert (first["own/number"], first["own/numpy"], first["step"], second["step"]) == (7, 0.5, 1, 2)
    assert set(first) - set(second) == {"own/first"}


def test_without_a_trainer_nothing_is_logged() -> None:
    module = PolicyModule(build_tiny_policy(), 100)
    with pytest.warns(UserWarning, match="self.trainer"):
        module.log("own/number", 7.0)
    assert module.figures == {}
