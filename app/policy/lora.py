"""Low-rank adapters (LoRA): a few weights are trained, those of the checkpoint are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import BitsAndBytesConfig, PreTrainedModel

from app.distributed.processes import rank
from app.distributed.weights import generation_config_as_it_is, trained_weights
from app.extras import install
from app.storage.checkpoint import CheckpointError, checksum

SAMPLED = 1024
"""The number of values of a frozen weight that `frozen_weights_of` reads."""


class LoRA:
    """LoRA by peft: each chosen layer W becomes W + alpha / rank B A, with A and B trained (2106.09685).

    B is initialised to zero, so that the policy starts equal to its checkpoint. A and B are always in single
    precision.

    Args:
        rank: rows of A and columns of B.
        alpha: scale of the adapter's output.
        layers: suffixes of the adapted layers' names, such as [q_proj, v_proj]; "all-linear" takes all but
            the LM head, including experts and router of a mixture of experts.
    """

    def __init__(self, rank: int = 32, alpha: int = 64, layers: list[str] | str = "all-linear") -> None:
        for name, value in {"rank": rank, "alpha": alpha}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        _need("peft", "lora")
        self.rank, self.alpha, self.layers = rank, alpha, layers

    @property
    def quantization(self) -> BitsAndBytesConfig | None:
        """The quantization of the frozen weights; defaults to none."""
        return None

    def add(self, model: PreTrainedModel) -> None:
        """Add an adapter to each chosen layer and freeze all other weights; ValueError if no layer is chosen."""
        from peft import LoraConfig

        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=0.0,  # sampling and training must use the same distribution
            target_modules=self.layers,
        )
        try:
            model.add_adapter(config)
        except ValueError as error:
            raise ValueError(f"adapter.layers={self.layers!r}: {str(error).splitlines()[0]}") from error
        for parameter in trained_weights(model).values():
            parameter.data = parameter.data.float()

    def state(self, model: PreTrainedModel) -> dict[str, Any]:
        """What a checkpoint with this adapter's weights is valid for: its alpha, and the frozen weights."""
        return {"alpha": self.alpha, "frozen": frozen_weights_of(model)}

    def check(self, state: Mapping[str, Any], model: PreTrainedModel) -> None:
        """Raise CheckpointError for a checkpoint with another alpha, or of an adapter of other frozen weights.

        state: what `state` returned when it was written. Weights that are loaded in another type are not compared.
        """
        if state["alpha"] != self.alpha:
            raise CheckpointError(f"the checkpoint's adapter has alpha={state['alpha']}, not alpha={self.alpha}")
        now = frozen_weights_of(model)
        if any(now[kind] != digest for kind, digest in state["frozen"].items() if kind in now):
            raise CheckpointError("the checkpoint's adapter is of another model than that of model.policy.path")

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write only the adapter, in peft's format; a collective of all processes; the first writes."""
        own = ((name, weight.detach()) for name, weight in trained_weights(model).items())
        weights = {name: (w.full_tensor() if isinstance(w, DTensor) else w).cpu() for name, w in own}
        if rank() == 0:
            with generation_config_as_it_is(model, folder):
                model.save_pretrained(folder, state_dict=weights)


class QLoRA(LoRA):
    """LoRA over weights in four bits (NF4 with double quantization, 2305.14314), by bitsandbytes.

    Args:
        rank: rows of A and columns of B, as in LoRA.
        alpha: scale of the adapter's output, as in LoRA.
        layers: suffixes of the adapted layers' names, or "all-linear", as in LoRA.
        dtype: in which the weights are multiplied.
    """

    def __init__(
        self, rank: int = 32, alpha: int = 64, layers: list[str] | str = "all-linear", dtype: str = "bfloat16"
    ) -> None:
        super().__init__(rank, alpha, layers)
        _need("bitsandbytes", "qlora")
        self.dtype = dtype

    @property
    def quantization(self) -> BitsAndBytesConfig:
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=self.dtype,
        )


def _need(package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise ImportError(f"the adapter needs {package}: {install(extra)}")


def frozen_weights_of(model: nn.Module) -> dict[str, str]:
    """A digest of the weights that are not trained, by their type, such as `{"torch.bfloat16": "5e0c..."}`.

    It is of SAMPLED values of each weight at most, evenly spaced. Quantized weights and shards are left out: their
    values depend on the device, and on the number of processes.
    """
    hashed: dict[str, Any] = {}
    for name, weight in sorted(model.named_parameters()):
        if weight.requires_grad or not weight.is_floating_point() or isinstance(weight, DTensor):
            continue
        values = weight.detach().flatten()[:: max(1, weight.numel() // SAMPLED)]
        parts = hashed.setdefault(str(weight.dtype), blake2b(digest_size=16))
        parts.update(f"{name} {tuple(weight.shape)} {checksum(values)};".encode())
    return {kind: parts.hexdigest() for kind, parts in hashed.items()}


def leave_out_frozen(policy: nn.Module) -> None:
    """Make the policy's state dict, and so every checkpoint, contain only trained weights."""
    policy.register_state_dict_post_hook(_drop_frozen)
    policy.register_load_state_dict_post_hook(_need_trained_only)


def _drop_frozen(policy: nn.Module, state: dict[str, Tensor], prefix: str, metadata: Any) -> None:
    kept = {prefix + name for name in trained_weights(policy)}
    for name in [name for name in state if name.startswith(prefix) and name not in kept]:
        del state[name]


def _need_trained_only(policy: nn.Module, incompatible: Any) -> None:
    """Report only trained weights as missing from a checkpoint."""
    missing: list[str] = incompatible.missing_keys
    missing[:] = [name for name in missing if name.endswith(tuple(trained_weights(policy)))]
