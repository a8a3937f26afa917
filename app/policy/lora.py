"""Low-rank adapters (LoRA): a few weights are trained, those of the checkpoint are frozen."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import BitsAndBytesConfig, PreTrainedModel

from app.distributed.processes import rank
from app.distributed.weights import generation_config_as_it_is, trained_weights
from app.extras import install


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
        model.add_adapter(config)
        for parameter in trained_weights(model).values():
            parameter.data = parameter.data.float()

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
        rank, alpha, layers: see LoRA.
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
