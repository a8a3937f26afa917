"""vLLM in the trainer's process, on the trainer's device (docs/vllm.md).

It is built after the strategy has made its process group, loads the weights without a copy on
disk, and on a GPU releases its memory while the policy trains.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from app.distributed.processes import ranks_in_environment, world_size
from app.distributed.weights import full_weights
from app.engines.base import EngineError
from app.engines.external import ExternalEngine, compute_dtype, write_config
from app.engines.vllm.arguments import (
    CPU,
    OURS,
    check_arguments,
    check_head_size,
    longest,
    refresh_tied_head,
    sampling_fields,
)
from app.engines.vllm.pictures import arguments_for, check_prompt, prompt_for
from app.policy import Policy
from app.seeds import number_of
from app.types import Completion, Request, Sampling


class VLLMEngine(ExternalEngine):
    """Samples with vLLM in the trainer's process.

    Every process of the run has its own engine, with the whole policy, for its own problems. One request is made for
    each problem, with its N samples: its prompt is read once. vLLM seeds sample r of a request with the request's seed
    plus r, so that a rollout depends only on "<seed of the problem>/<r>", except for rounding: other requests in the
    batch can change log-probabilities by rounding errors.

    Args:
        sleep_level: on a GPU, between samplings: 0 keeps all memory, 1 moves the weights to the host's memory,
            2 drops them, since each sampling begins with new ones; 1 and 2 free the cache.
        max_logprob_difference: see ExternalEngine.
        arguments: arguments of vLLM's `LLM` that replace the defaults here: max_model_len, gpu_memory_utilization,
            enforce_eager, kv_cache_memory_bytes and so on.
    """

    accepts_pictures = True

    def __init__(
        self, sleep_level: int = 2, max_logprob_difference: float | None = None, arguments: dict[str, Any] | None = None
    ) -> None:
        super().__init__(max_logprob_difference)
        if sleep_level not in (0, 1, 2):
            raise ValueError(f"sleep_level={sleep_level} must be 0, 1 or 2")
        check_arguments(arguments or {}, (*OURS, "distributed_executor_backend"))
        check_whole(arguments or {})
        self.sleep_level, self.arguments = sleep_level, arguments or {}
        self.llm: Any = None

    def setup(self, policy: Policy) -> None:
        """Start vLLM with the policy's architecture; the first `sync` loads its weights."""
        if self.llm is not None:
            return
        vllm = import_vllm()
        on_gpu = policy.model.device.type == "cuda"
        self.sleep_level = self.sleep_level if on_gpu else 0
        usual: dict[str, Any] = {"max_model_len": longest(policy), "disable_log_stats": True, "seed": 0}
        usual |= (GPU if on_gpu else CPU) | arguments_for(policy)
        if not on_gpu:
            config = policy.model.config.get_text_config()
            check_head_size(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
        ranks = ranks_in_environment(policy.model.device)  # external_launcher reads them
        dtype = str(compute_dtype(policy)).removeprefix("torch.")
        with tempfile.TemporaryDirectory() as folder, isolate_rng(), ranks, in_own_precision(policy):
            write_config(policy, Path(folder))
            try:
                self.llm = vllm.LLM(
                    model=folder,
                    load_format="dummy",
                    dtype=dtype,
                    logprobs_mode="processed_logprobs",
                    enable_sleep_mode=self.sleep_level > 0,
                    distributed_executor_backend="external_launcher" if world_size() > 1 else None,
                    **(usual | self.arguments),
                )
            except (ValueError, RuntimeError, torch.OutOfMemoryError) as error:
                raise EngineError(f"vLLM would not start: {last_line(error)}") from error
        self.max_length = self.llm.llm_engine.model_config.max_model_len
        self.sleep()

    def close(self) -> None:
        if self.llm is not None:
            self.llm.llm_engine.engine_core.shutdown()
            self.llm = None

    def update(self, policy: Policy) -> None:
        self.setup(policy)
        llm = self.llm
        if self.sleep_level:
            llm.wake_up(tags=["weights"])
        llm.collective_rpc("reload_weights", kwargs={"weights_iterator": full_weights(policy.model)})
        llm.collective_rpc(refresh)
        if self.sleep_level:
            llm.wake_up(tags=["kv_cache"])
        self.forget()

    def forget(self) -> None:
        """Reset the caches; EngineError if the prefix cache cannot be reset because requests are still running."""
        self.llm.llm_engine.reset_encoder_cache()  # the worker's is empty; the scheduler's must be too
        if not self.llm.reset_prefix_cache():
            raise EngineError("vLLM would not empty its prefix cache, which earlier weights have filled")

    def sample(
        self, requests: Sequence[Request], n: int, sampling: Sampling, stops: list[int]
    ) -> list[list[Completion]]:
        prompts, parameters = self.as_vllm(requests, n, sampling, stops)
        assert self.policy is not None
        with in_own_precision(self.policy):
            groups = self.llm.generate(prompts, parameters, use_tqdm=False)
        for request, group in zip(requests, groups, strict=True):
            check_prompt(request, group.prompt_token_ids)
        outputs = [output for group in groups for output in group.outputs]
        rows = self.completions([(output.token_ids, output.logprobs.logprobs) for output in outputs], stops, sampling)
        return [rows[first : first + n] for first in range(0, len(rows), n)]

    def as_vllm(
        self, requests: Sequence[Request], n: int, sampling: Sampling, stops: list[int]
    ) -> tuple[list[Any], list[Any]]:
        """Prompts and sampling parameters as `LLM.generate` takes them."""
        vllm = import_vllm()
        assert self.policy is not None
        prompts = [prompt_for(self.policy, request) for request in requests]
        parameters = [
            vllm.SamplingParams(**sampling_fields(n, number_of(request.seed), sampling, stops), flat_logprobs=True)
            for request in requests
        ]
        return prompts, parameters

    def sleep(self) -> None:
        """Release the GPU's memory for training."""
        if self.sleep_level:
            self.llm.sleep(level=self.sleep_level)


GPU = {"gpu_memory_utilization": 0.5}
"""vLLM's share of the GPU's memory: half, since the trainer uses the same GPU."""


SPLIT = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Arguments by which vLLM splits a policy, or its requests, over several GPUs."""


def check_whole(arguments: dict[str, Any]) -> None:
    """Raise ValueError for arguments that split the engine: processes sample different problems, each by itself."""
    for name in SPLIT:
        if arguments.get(name, 1) != 1:
            raise ValueError(
                f"arguments={{{name}: {arguments[name]}}} must be 1: VLLMEngine has the whole policy in each process; "
                "app.engines.vllm.server.VLLMServerEngine splits one over several GPUs"
            )


def in_own_precision(policy: Policy) -> torch.autocast:
    """A context without the trainer's autocast, which would change the types of vLLM's own operations."""
    return torch.autocast(policy.model.device.type, enabled=False)


def refresh(worker: Any) -> None:
    """Call `refresh_tied_head` on a vLLM worker."""
    refresh_tied_head(worker.get_model())


def import_vllm() -> Any:
    """Import vLLM with its engine in this process and without usage reports.

    Raises:
        ImportError: it is not installed, or not correctly.
    """
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        import vllm
    except ImportError as error:
        raise ImportError(f"VLLMEngine needs vLLM, see docs/vllm.md: {error}") from error
    return vllm


def last_line(error: BaseException) -> str:
    """The last line of an error's message, which may be long in vLLM."""
    return ([line for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
