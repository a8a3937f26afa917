"""Where a run has its policy when another program holds the model."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from app.policy import Policy
from app.types import Prompt, Sampling


class RemotePolicy(Policy):
    """No weights and no tokenizer: engines that answer for another model are evaluated with nothing loaded here."""

    def __init__(self) -> None:
        super().__init__()

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        raise ValueError("RemotePolicy has nothing to load: name another as model.policy")

    def build(self) -> None:
        pass

    def encode(self, prompt: Prompt) -> Tensor:
        """Nothing: the engine is given the problem, and with it the prompt as text.  -> [0]"""
        return torch.empty(0, dtype=torch.long)

    @property
    def context_length(self) -> int:
        """No bound: the endpoint knows its own."""
        return 2**31

    def stop_ids(self, sampling: Sampling) -> list[int]:
        """None: stop tokens go to the endpoint by name."""
        return []
