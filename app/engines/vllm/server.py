"""The engine that samples with `vllm serve` over HTTP; new weights are sent before each sampling (docs/vllm.md)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from app.distributed.processes import gather_objects, world_size
from app.engines.base import EngineError
from app.engines.external import ExternalEngine, compute_dtype, write_config
from app.engines.vllm.arguments import CPU, OURS, check_arguments, longest, sampling_fields
from app.engines.vllm.client import ServerLostError, Servers
from app.engines.vllm.process import ServerProcess
from app.engines.vllm.transfer import FileTransfer, WeightTransfer, first_process_does
from app.policy import Policy
from app.seeds import number_of
from app.types import Completion, Request, Sampling

log = logging.getLogger(__name__)
T = TypeVar("T")

TAKEN = (*OURS, "host", "tokens_only", "weight_transfer_config", "worker_extension_cls")


class VLLMServerEngine(ExternalEngine):
    """Samples with one `vllm serve` process that this engine starts, or with running ones.

    One request is made for each problem, with its N samples; vLLM seeds sample r with the problem's seed plus r.
    Requests go to the servers in turn. Every update gives the weights a new version, and an answer must be sampled
    with that version.

    A server that this engine started is restarted if it ends; it then gets the last weights and the whole batch
    again. Samples depend only on their seeds, so nothing is lost. With several trainer processes the first starts it
    and sends the weights, and all send requests; if the server ends while they wait, the run ends.

    Args:
        urls: URLs of running servers, started as in docs/scaling.md; null starts one on this machine.
        transfer: how weights are sent; null writes files to shared memory.
        arguments: arguments of `vllm serve` for a server that this engine starts, by their names in Python: port,
            max_model_len, tensor_parallel_size, data_parallel_size and so on.
        environment: its additional environment variables, such as {CUDA_VISIBLE_DEVICES: "4,5,6,7"}.
        restarts: how often it may be restarted.
        timeout: seconds without an answer to any request, after which a server counts as lost.
        max_logprob_difference: see ExternalEngine.
    """

    supports_async = True
    syncs_together = True

    def __init__(
        self,
        urls: list[str] | None = None,
        transfer: WeightTransfer | None = None,
        arguments: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        restarts: int = 3,
        timeout: float = 1800.0,
        max_logprob_difference: float | None = None,
    ) -> None:
        super().__init__(max_logprob_difference)
        check_arguments(arguments or {}, TAKEN)
        if urls is not None and (not urls or arguments or environment):
            raise ValueError(f"urls={urls} must name servers, which have their own arguments and environment")
        if restarts < 0:
            raise ValueError(f"restarts={restarts} must be at least 0")
        if not timeout > 0:
            raise ValueError(f"timeout={timeout} must be above 0")
        self.urls, self.transfer = urls, transfer or FileTransfer()
        self.arguments, self.environment = arguments or {}, environment or {}
        self.restarts, self.timeout = restarts, timeout
        self.process: ServerProcess | None = None
        self.servers: Servers | None = None
        self.run, self.updates = uuid4().hex[:8], 0

    def setup(self, policy: Policy) -> None:
        """Start a server or check the running ones; the first `sync` sends the weights."""
        if self.servers is not None:
            return
        self.servers = Servers(self.urls or [], self.timeout)
        try:
            first_process_does(lambda: self._find(policy))
            self.servers.urls = gather_objects(self.servers.urls)[0]
            models = self.servers.everywhere("GET", "v1/models")
            self.max_length = min(model["data"][0]["max_model_len"] for model in models)
            self.transfer.connect(policy, self.servers)
        except BaseException:
            self.close()
            raise

    def _find(self, policy: Policy) -> None:
        assert self.servers is not None
        dtype = str(compute_dtype(policy))
        if self.urls is not None:
            check_servers(self.servers, self.transfer.backend, dtype)
            return
        usual = {
            "max_model_len": longest(policy),
            "seed": 0,
            "load_format": "dummy",
            "dtype": dtype.removeprefix("torch."),
            "logprobs_mode": "processed_logprobs",
            "tokens_only": True,
            "weight_transfer_config": {"backend": self.transfer.backend},
            "worker_extension_cls": self.transfer.extension,
            **({} if policy.model.device.type == "cuda" else CPU),
        }
        self.process = ServerProcess(
            usual | self.arguments, self.environment, lambda folder: write_config(policy, folder)
        )
        self._start()

    def _start(self) -> None:
        assert self.process is not None and self.servers is not None
        self.process.start(self.servers.is_healthy, self.timeout)
        self.servers.urls = [self.process.url]

    def update(self, policy: Policy) -> None:
        self.setup(policy)
        assert self.servers is not None
        self.updates += 1
        self.servers.version = gather_objects(f"{self.run}/{self.updates}")[0]
        self.with_restarts(lambda: self._send_weights(policy))

    def _send_weights(self, policy: Policy) -> None:
        assert self.servers is not None
        self.transfer.send(policy, self.servers)
        first_process_does(self.forget)

    def forget(self) -> None:
        """Reset the prefix caches."""
        assert self.servers is not None
        self.servers.forget()

    def sample(
        self, requests: Sequence[Request], n: int, sampling: Sampling, stops: list[int]
    ) -> list[list[Completion]]:
        servers = self.servers
        assert servers is not None
        bodies = [
            {
                "token_ids": request.tokens.tolist(),
                "sampling_params": sampling_fields(n, number_of(request.seed), sampling, stops),
            }
            for request in requests
        ]
        replies = self.with_restarts(lambda: servers.generate(bodies))
        groups = [parse_reply(reply, n, servers.version) for reply in replies]
        return [self.completions(group, stops, sampling) for group in groups]

    def with_restarts(self, work: Callable[[], T]) -> T:
        """Call `work`, which uses the servers; if the started server has ended, restart it and call `work` again."""
        while True:
            try:
                return work()
            except ServerLostError as error:
                if self.process is None or world_size() > 1 or self.restarts == 0:
                    raise
                self.restarts -= 1
                log.warning("%s; it is started again, %d restarts are left", error, self.restarts)
                self.process.stop()
                self._start()
                assert self.servers is not None
                self.transfer.repeat(self.servers)

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
        self.transfer.close()
        self.process = self.servers = None


def check_servers(servers: Servers, backend: str, dtype: str) -> None:
    """Raise EngineError for a server that was started with wrong settings."""
    try:
        infos = servers.everywhere("GET", "server_info?config_format=json")
    except ServerLostError:
        raise
    except EngineError as error:
        raise EngineError(f"{error}: was it started with VLLM_SERVER_DEV_MODE=1?") from error
    for url, info in zip(servers.urls, infos, strict=True):
        config = info["vllm_config"]
        found = {
            "--logprobs-mode": (config["model_config"]["logprobs_mode"], "processed_logprobs"),
            "--dtype": (config["model_config"]["dtype"].removeprefix("torch."), dtype.removeprefix("torch.")),
            "--weight-transfer-config": ((config["weight_transfer_config"] or {}).get("backend"), backend),
        }
        for option, (has, wanted) in found.items():
            if has != wanted:
                raise EngineError(
                    f"the vLLM server at {url} has {option} {has} and needs {wanted}: see docs/scaling.md"
                )


def parse_reply(reply: Any, n: int, version: str) -> list[tuple[list[int], list[float]]]:
    """The tokens and log-probabilities of n answers.

    Raises:
        EngineError: an answer is incomplete, or was sampled with other weights.
    """
    choices = sorted(reply["choices"], key=lambda choice: choice["index"])
    if len(choices) != n:
        raise EngineError(f"vLLM gave {len(choices)} answers in place of {n}")
    for choice in choices:
        if choice["finish_reason"] not in ("stop", "length"):
            raise EngineError(f"an answer of vLLM's ended by {choice['finish_reason']!r}")
        versions = {span["version"] for span in choice["weight_versions"]}
        if versions != {version}:
            raise EngineError(f"vLLM sampled with weights {', '.join(sorted(versions))} in place of {version}")
    return [(each["token_ids"], [token["logprob"] for token in each["logprobs"]["content"]]) for each in choices]
