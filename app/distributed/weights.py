"""A policy's weights as a transformers checkpoint names them, whole on every process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion
from transformers.utils import GENERATION_CONFIG_NAME

from app.distributed.processes import rank


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
    if rank() == 0:
        write_model(model, weights, folder)


def write_model(model: PreTrainedModel, weights: dict[str, Tensor], folder: str | Path) -> None:
    """Write these whole weights with the model's configuration as an ordinary transformers folder."""
    config = deepcopy(model.config)
    vars(config).pop("quantization_config", None)  # merged weights are not quantised
    kind = next(kind for kind in type(model).__mro__ if not issubclass(kind, FSDPModule))  # FSDP2 makes a class of it
    with torch.device("meta"):
        plain = kind(config)
    plain.generation_config = model.generation_config
    with generation_config_as_it_is(plain, folder):
        plain.save_pretrained(folder, state_dict=weights, save_original_format=False)


@contextmanager
def generation_config_as_it_is(model: PreTrainedModel, folder: str | Path) -> Iterator[None]:
    """Inside, the model is saved without its generation config, which is written afterwards as it was read.

    transformers reads one with a temperature and no `do_sample`, and refuses to save it.
    """
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own
    if own is not None:
        own.to_json_file(Path(folder) / GENERATION_CONFIG_NAME, keys_to_pop=["compile_config"])


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
