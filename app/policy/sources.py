"""Finds and checks transformers checkpoints: a folder, a hub repository, an installed package, a GGUF file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from app.extras import install

PACKAGE = "package:"
"""Prefix of a path inside an installed Python package."""


def locate(path: str) -> str:
    """The folder of `package:<name>` or `package:<name>/<folder>`, without importing the package; else `path` itself.

    Raises:
        ValueError: no such package is installed.
    """
    if not path.startswith(PACKAGE):
        return path
    name, _, inside = path.removeprefix(PACKAGE).partition("/")
    spec = find_spec(name) if name.isidentifier() else None  # for "a.b" it would import a
    if spec is None or not spec.submodule_search_locations:
        hint = f": pip install --no-deps {name.replace('_', '-')}" if name.isidentifier() else ""
        raise ValueError(f"no package {name!r} with a folder is installed{hint}")
    return str(Path(next(iter(spec.submodule_search_locations)), inside))


def check_gguf(folder: str, file: str | None) -> None:
    """Raise if a GGUF file cannot be read: ImportError for a missing library, ValueError for a missing file.

    Args:
        folder: a local folder, or a hub id, which cannot be checked before it is loaded.
        file: the file's name in the folder; None for a checkpoint of another format.
    """
    there = sorted(found.name for found in Path(folder).glob("*.gguf")) if Path(folder).is_dir() else []
    listed = f"it holds {', '.join(there)}" if there else "it holds no GGUF file"
    if file is None:
        if there and not Path(folder, "config.json").exists():
            raise ValueError(f"{folder} has no config.json, but {listed}: set gguf_file to read one")
        return
    missing = [library for library in ("gguf", "accelerate") if find_spec(library) is None]
    if missing:
        raise ImportError(f"gguf_file needs {' and '.join(missing)}: {install('gguf')}")
    if Path(folder).is_dir() and not Path(folder, file).is_file():
        raise ValueError(f"gguf_file={file!r} is not in {folder}: {listed}")


def check_no_adapter(folder: str) -> None:
    """Raise ValueError for a folder with a peft adapter, with or without a model.

    transformers would add it to the model and freeze all weights, or ignore it if peft is not installed.
    """
    file = Path(folder, "adapter_config.json")
    if file.is_file():
        raise ValueError(UNMERGED)


UNMERGED = (
    "it holds an adapter of peft (adapter_config.json): merge it into its model (merge_and_unload), and give the "
    "folder of that"
)


def check_loaded(model: PreTrainedModel, loaded: Mapping[str, Any]) -> None:
    """Raise ValueError for an incomplete checkpoint: transformers initialises missing weights at random.

    loaded: the loading info of `from_pretrained` (`output_loading_info`).
    """
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ValueError(UNMERGED)
    for name, there, wanted in sorted(loaded["mismatched_keys"]):
        raise ValueError(f"{name} has the shape {[*there]}, and by config.json {[*wanted]}")
    if missing := sorted(loaded["missing_keys"]):
        raise ValueError(
            f"{len(missing)} of its weights are not there, such as {missing[0]}: it is cut short, or no whole "
            f"{type(model).__name__}"
        )


def reason_of(error: Exception) -> str:
    """Why transformers could not load a checkpoint, in one line, with the error's class if that is not its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = " ".join(lines[: 1 + any(line.endswith(":") for line in lines[:1])])
    if "Repo id" in line:
        return "no such folder, nor an id of the hub"
    return line if isinstance(error, (OSError, ValueError)) and line else f"{type(error).__name__}: {line}"


def forget_quantization(model: PreTrainedModel) -> None:
    """Remove the quantization settings of a model from GGUF: its weights are dequantized and can be saved."""
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None:
        quantizer.remove_quantization_config(model)
    vars(model.config).pop("quantization_config", None)
