"""A policy's full weights under the names of a transformers checkpoint."""

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
    """The trained weights by name: all of them, or those of the adapter."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


@torch.no_grad()
def full_weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Each weight by its checkpoint's name, gathered from its shards (FSDP2), with its adapter (LoRA) merged in.

    The model is not changed: merged or gathered weights are copies, made one at a time. Gathering is a collective:
    all processes must iterate to the end, in step. A tensor that transformers fused at loading (the
    experts of a mixture) is split again.
    """
    adapters = dict(_adapters(model))
    own = {name for name, _ in chain(model.named_parameters(remove_duplicate=False), model.named_buffers())}
    for name in model.state_dict():
        if ".lora_" in name or name not in own:  # bitsandbytes adds its quantization state
            continue
        plain = name.replace("base_layer.", "")
        weight = _dense(model, name)
        if plain in adapters:
            layer = adapters[plain]
            with torch.autocast(weight.device.type, enabled=False):  # rounded once
                weight = (weight + layer.get_delta_weight(*layer.active_adapters)).to(weight.dtype)
        whole = weight.full_tensor() if isinstance(weight, DTensor) else weight
        yield from revert_weight_conversion(model, {plain: whole}).items()


def save_weights(model: PreTrainedModel, folder: str | Path) -> None:
    """Write a transformers folder of the model with its adapters merged.

    A collective of all processes; the first writes.
    """
    weights = {name: weight.cpu() for name, weight in full_weights(model) if rank() == 0}
    if rank() == 0:
        write_model(model, weights, folder)


def write_model(model: PreTrainedModel, weights: dict[str, Tensor], folder: str | Path) -> None:
    """Write these full weights with the model's configuration as a transformers folder."""
    config = deepcopy(model.config)
    vars(config).pop("quantization_config", None)  # merged weights are not quantised
    tied = getattr(model, "all_tied_weights_keys", {}).items()
    if any(one in weights and other in weights and not weights[one].equal(weights[other]) for one, other in tied):
        config.tie_word_embeddings = config.get_text_config().tie_word_embeddings = False  # by an adapter of one
    kind = next(kind for kind in type(model).__mro__ if not issubclass(kind, FSDPModule))  # FSDP2 derives from it
    with torch.device("meta"):
        plain = kind(config)
    plain.generation_config = model.generation_config
    with generation_config_as_it_is(plain, folder):
        plain.save_pretrained(folder, state_dict=weights, save_original_format=False)


@contextmanager
def generation_config_as_it_is(model: PreTrainedModel, folder: str | Path) -> Iterator[None]:
    """A context in which the model is saved without its generation config, which is then written unchanged.

    transformers loads one with a temperature and no `do_sample`, but refuses to save it.
    """
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own
    if own is not None:
        own.to_json_file(Path(folder) / GENERATION_CONFIG_NAME, keys_to_pop=["compile_config"])


def _adapters(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """The layers with an adapter, by the name of the adapted weight."""
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            parameter = getattr(module, "parameter_name", "weight")  # fused experts are a parameter, not a layer
            yield f"{name}.{parameter}".replace("base_layer.", ""), module


def _dense(model: nn.Module, name: str) -> Tensor:
    """The weight of this name; a quantized one is dequantized."""
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    weight: Tensor = getattr(module, leaf)
    if not type(weight).__module__.startswith("bitsandbytes"):
        return weight
    from peft.utils.integrations import dequantize_module_weight

    return dequantize_module_weight(module)
