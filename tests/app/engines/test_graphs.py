"""Steps of one shape, replayed, against steps as they come; the recording itself needs a GPU (tests/test_gpu.py)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

import pytest
import torch
from torch.distributed.fsdp import FSDPModule
from torch.utils._python_dispatch import TorchDispatchMode

from app.engines.decoders import SharedPrefixDecoder
from app.engines.graphs import GraphedDecoder
from app.engines.transformers import TransformersEngine, decoder_for
from app.types import Sampling
from tests.app.architectures import ARCHITECTURES, build
from tests.app.engines.test_transformers import assert_same, eager_to_stop, requests, sample

SHARING = [name for name, each in ARCHITECTURES.items() if each.shares and name not in ("qwen3_moe", "gpt2")]
"""Qwen3-MoE asks the device which experts are needed, GPT-2 whether a prompt is padded: these go step by step."""


class Asking(TorchDispatchMode):
    """Raises where an operation's shape, or what Python does next, hangs on values: no graph can hold that."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        asks = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags)
        by_number = func is torch.ops.aten.index.Tensor and all(i is None or i.dtype == torch.long for i in args[1])
        if asks and not by_number:
            raise AssertionError(f"{func} asks the device")
        return func(*args, **(kwargs or {}))


class RunAgain(GraphedDecoder):
    """Runs the step where a graph would be replayed, and counts what would be recorded."""

    recorded: ClassVar[list[tuple[int, int]]] = []

    def _record(self) -> Any:
        self.recorded.append((self.cache.num_slots, self.cache.span))
        return SimpleNamespace(replay=self._advance)

    def _advance(self) -> None:
        with Asking():
            super()._advance()


def sampled(name: str, sampling: Sampling, lengths: list[int], worth: int = 1) -> list[Any]:
    RunAgain.recorded = []
    with (
        mock.patch("app.engines.transformers.decoder_for", lambda policy: RunAgain),
        mock.patch("app.engines.graphs.FIRST_SPAN", 4),
        mock.patch("app.engines.graphs.WORTH", worth),
    ):
        return sample(eager_to_stop(build(name)), requests(lengths), 6, sampling)


@pytest.mark.parametrize("name", SHARING)
def test_the_same_rollouts_as_step_by_step(name: str) -> None:
    sampling = Sampling(max_new_tokens=12)
    for lengths in ([9, 1, 4], [1, 1], [3]):
        expected = sample(eager_to_stop(build(name)), requests(lengths), 6, sampling)
        assert_same(sampled(name, sampling, lengths), expected)


def test_a_step_is_recorded_anew_when_its_shapes_change_only() -> None:
    sampled("qwen2", Sampling(max_new_tokens=12), [9, 1, 4], worth=100)
    assert RunAgain.recorded == [(18, 4), (18, 8), (18, 12)]
    sampled("qwen2", Sampling(max_new_tokens=12), [9, 1, 4])
    assert len(set(RunAgain.recorded)) == len(RunAgain.recorded)
    spans = [span for _, span in RunAgain.recorded]
    assert spans == sorted(spans) and set(spans) == {4, 8, 12}
    assert len({slots for slots, _ in RunAgain.recorded}) > 1


def test_a_cpu_samples_without() -> None:
    engine = TransformersEngine()
    engine.sync(build("qwen2"))
    with mock.patch.object(GraphedDecoder, "__init__", side_effect=AssertionError):
        engine.generate(requests(), 2, Sampling(max_new_tokens=2))


class Whole:
    """A policy on a GPU."""

    model, shares_prompts = SimpleNamespace(device=torch.device("cuda")), True


class InShards(Whole, FSDPModule):
    """The same, sharded."""


@pytest.mark.parametrize(("kind", "decoder"), [(Whole, GraphedDecoder), (InShards, SharedPrefixDecoder)])
def test_no_step_of_a_sharded_policy_is_recorded(kind: type, decoder: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each layer FSDP2 makes its own streams wait, which would stay in the recording."""
    monkeypatch.setattr("app.engines.transformers._is_exact", lambda *given: True)
    assert decoder_for(object.__new__(kind)) is decoder
