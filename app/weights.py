"""A policy's weights as a transformers checkpoint names them, whole on every process."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from app.processes import rank


def trained_weights(module: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that are trained, by name: all of them, or those of the adapter."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


@torch.no_grad()
def full_weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Each weight under its checkpoint's name, gathered from its shards (FSDP2), with its adapter (LoRA) merged in.

    The model stays as it is: what is merged or gathered is a copy, one at a time. Gathering is collective: all
    processes have to iterate, to the end and in step. A tensor that transformers has fused when it loaded (the
    experts of a mixture) is taken apart again.
    """
    adapters = dict(_adapters(model))
    own = {name for name, _ in chain(model.named_parameters(remove_duplicate=False), model.named_buffers())}
    for name in model.state_dict():
        if ".lora_" in name or name not in own:  # bitsandbytes adds what it needs to read its own weights
            continue
        plain = name.replace("base_layer.", "")
        weight = _dense(model, name)
        if plain in adapters:
            layer = adapters[plain]
            weight = weight + layer.get_delta_weight(*layer.active_adapters).to(weight.dtype)
        whole = weight.full_tensor() if isinstance(weight, DTensor) else weight
        yield from revert_weight_conversion(model, {plain: whole}).items()


def save_weights(model: PreTrainedModel, folder: str | Path) -> None:
    """Write an ordinary transformers folder, of which loading makes the model with its adapters merged.

    All processes call it together, and the first writes.
    """
    weights = {name: weight.cpu() for name, weight in full_weights(model) if rank() == 0}
    if rank() > 0:
        return
    config = deepcopy(model.config)
    vars(config).pop("quantization_config", None)  # merged weights are not quantised
    kind = next(kind for kind in type(model).__mro__ if not issubclass(kind, FSDPModule))  # FSDP2 makes a class of it
    with torch.device("meta"):
        plain = kind(config)
    plain.generation_config = model.generation_config
    plain.save_pretrained(folder, state_dict=weights, save_original_format=False)


def _adapters(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """The layers with an adapter, each under the name of the weight that it adapts."""
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            parameter = getattr(module, "parameter_name", "weight")  # fused experts are a parameter, not a layer
            yield f"{name}.{parameter}".replace("base_layer.", ""), module


def _dense(model: nn.Module, name: str) -> Tensor:
    """The weight of this name, in numbers where it is quantised."""
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    weight: Tensor = getattr(module, leaf)
    if not type(weight).__module__.startswith("bitsandbytes"):
        return weight
    from peft.utils.integrations import dequantize_module_weight

    return dequantize_module_weight(module)
