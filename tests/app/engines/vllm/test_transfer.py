"""The file by which servers get weights; what they make of it is in test_server.py."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from app.engines.base import EngineError
from app.engines.vllm.client import Servers
from app.engines.vllm.transfer import FileTransfer, NCCLTransfer, weight_source
from tests.app.engines.vllm.test_inprocess import build


class Deaf:
    """Servers that do as they are told."""

    def start_weight_update(self) -> None:
        pass

    finish_weight_update = start_weight_update

    def update_weights(self, update_info: dict[str, Any]) -> None:
        self.weights = load_file(update_info["path"])


@pytest.mark.parametrize("tied", [True, False])
def test_the_file_holds_the_policys_weights_once(tied: bool, tmp_path: Path) -> None:
    policy, servers, transfer = build(tied), Deaf(), FileTransfer(str(tmp_path))
    transfer.connect(policy, servers)  # type: ignore[arg-type]
    transfer.send(policy, servers)  # type: ignore[arg-type]
    own = policy.model.state_dict()
    assert servers.weights.keys() == own.keys() - ({"lm_head.weight"} if tied else set())
    assert all(torch.equal(weight, own[name]) for name, weight in servers.weights.items())
    transfer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, transfer = build(True), FileTransfer(str(tmp_path))
    transfer.connect(policy, Deaf())  # type: ignore[arg-type]
    monkeypatch.setattr("app.engines.vllm.transfer.shutil.disk_usage", lambda path: type("", (), {"free": 1000})())
    with pytest.raises(EngineError, match=r"weights of 0.00 GB exceed the 0.00 GB free in "):
        transfer.send(policy, Deaf())  # type: ignore[arg-type]


def test_what_a_killed_trainer_left_is_cleared(tmp_path: Path) -> None:
    policy, running, killed = build(True), FileTransfer(str(tmp_path)), FileTransfer(str(tmp_path))
    running.connect(policy, Deaf())  # type: ignore[arg-type]
    killed.connect(policy, Deaf())  # type: ignore[arg-type]
    assert running.path is not None and killed.path is not None
    left = Path(str(killed.path.parent).replace(f"-{os.getpid()}-", "-999999999-"))
    killed.path.parent.rename(left)
    FileTransfer(str(tmp_path)).connect(policy, Deaf())  # type: ignore[arg-type]
    assert running.path.parent.exists() and not left.exists()


def test_weights_are_sent_after_the_update_that_the_gpu_still_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM packs them on streams of its own."""
    done: list[str] = []
    stream = SimpleNamespace(synchronize=lambda: done.append("synchronised"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    transfer, policy = NCCLTransfer(), SimpleNamespace(model=SimpleNamespace(device=torch.device("cuda", 0)))
    transfer.engine = SimpleNamespace(send_weights=lambda: done.append("sent"))
    transfer.send(policy, Deaf())  # type: ignore[arg-type]
    assert done == ["synchronised", "sent"]


def test_vllms_nccl_backend_takes_these_arguments() -> None:
    pytest.importorskip("vllm")
    from vllm.distributed.weight_transfer.base import VLLMWeightSyncClient
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo, NCCLTrainerWeightTransferEngine

    info = NCCLTrainerInitInfo("10.0.0.7", 29500, 5, rank=3)
    assert (info.master_address, info.master_port, info.world_size) == ("10.0.0.7", 29500, 5)
    assert isinstance(Servers([], 1.0), VLLMWeightSyncClient)
    policy = build(True)
    engine = NCCLTrainerWeightTransferEngine.trainer_init(info, client=Servers([], 1.0), source=weight_source(policy))
    engine.send_weights()  # a process that does not send gathers the weights
    assert engine.source is not None
    pairs = [*NCCLTrainerWeightTransferEngine._checked_iter(engine.source, engine.source.metadata())]
    assert {name for name, _ in pairs} == policy.model.state_dict().keys()
