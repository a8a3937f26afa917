"""The policy of a run whose model is served by another program."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from app.policy import Policy
from app.types import Prompt, Sampling


class RemotePolicy(Policy):
    """A policy without weights or tokenizer, to evaluate engines that use another program's model."""

    def __init__(self) -> None:
        super().__init__()

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        raise ValueError("RemotePolicy has nothing to load: name another as model.policy")

    def build(self) -> None:
        pass

    def encode(self, prompt: Prompt) -> Tensor:
        """No tokens: the engine gets the problem, which has the prompt as text.  -> [0]"""
        return torch.empty(0, dtype=torch.long)

    @property
    def context_length(self) -> int:
        """No bound: the endpoint enforces its own."""
        return 2**31

    def stop_ids(self, sampling: Sampling) -> list[int]:
        """No ids: stop tokens are sent to the endpoint as text."""
        return []
