"""passk's extension of a `vllm serve` process: loads weights from a file, where there is no NCCL.

vLLM imports this module in every worker, by its argument `worker_extension_cls`; passk's trainer does not import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from vllm.distributed.weight_transfer import WeightTransferEngine, WeightTransferEngineFactory
from vllm.distributed.weight_transfer.base import WeightTransferInitInfo, WeightTransferUpdateInfo
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload

from app.engines.vllm.arguments import check_head_size, refresh_tied_head


class Extension:
    """Has no methods; importing this module registers the backend "file"."""


@dataclass
class FileInit(WeightTransferInitInfo):
    """Empty: a file needs no initialisation."""


@dataclass
class FileUpdate(WeightTransferUpdateInfo):
    """The path of the weights, in safetensors format."""

    path: str


class FileTransferEngine(WeightTransferEngine[FileInit, FileUpdate]):
    """Reads weights by their names in a checkpoint; vLLM's own reload loads them in parts."""

    init_info_cls = FileInit
    update_info_cls = FileUpdate

    def __init__(self, config: Any, vllm_config: Any, device: torch.device, model: Any) -> None:
        super().__init__(config, vllm_config, device, model)
        if device.type == "cpu":
            check_head_size(vllm_config.model_config.get_head_size())

    def init_transfer_engine(self, init_info: FileInit) -> None:
        pass

    def start_weight_update(self) -> None:
        initialize_layerwise_reload(self.model)

    def update_weights(self, update_info: dict[str, Any]) -> None:
        self.receive_weights(self.parse_update_info(update_info))  # vLLM's own also synchronises an accelerator

    def receive_weights(self, update_info: FileUpdate) -> None:
        weights = load_file(update_info.path)
        try:
            self.model.load_weights(weights.items())
        except (AssertionError, LookupError, ValueError, RuntimeError) as error:
            raise ValueError(f"the weights sent do not fit this server's model: {error!r}") from error

    def finish_weight_update(self) -> None:
        finalize_layerwise_reload(self.model, self.model_config)
        refresh_tied_head(self.model)

    def shutdown(self) -> None:
        pass


WeightTransferEngineFactory.register_engine("file", FileTransferEngine)
