r"""Time whole GRPO steps of TRL's GRPOTrainer, the baseline for `benchmarks.step`.

    python -m benchmarks.trl_step --policy DIR --problems 8 --rollouts 16 --prompt-chars 100 --max-new-tokens 64 \
        --steps 3 --json

One step is one optimizer step over all P x N rollouts: sampling, scoring, forward, backward, update. Only this file
needs TRL; install it in a separate environment: `pip install trl==1.16.0 datasets`.
"""

import argparse
import json
import math
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

FASTEST_MICRO_BATCH = 16  # see trl_config


class StepClock(TrainerCallback):
    """Records wall-clock and CPU seconds of every step, from its beginning (before sampling) to its end."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._begun = (0.0, 0.0)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._begun = (time.perf_counter(), time.process_time())

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.wall.append(time.perf_counter() - self._begun[0])
        self.cpu.append(time.process_time() - self._begun[1])


def random_prompts(tokenizer: Any, count: int, length: int, seed: int) -> list[str]:
    """Return `count` distinct prompts of `length` random characters, one token each.

    All have equal lengths, which is the best case for TRL: no padding before the prompts.
    """
    ordinary = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    alphabet = [text for text in map(tokenizer.decode, ordinary) if len(text) == 1]
    generator = random.Random(seed)
    prompts: dict[str, None] = {}
    while len(prompts) < count:
        prompts["".join(generator.choices(alphabet, k=length))] = None
    return list(prompts)


def random_reward(lengths: list[list[int]], seed: int) -> Callable[..., list[float | None]]:
    """Return a function of random rewards (no group has zero advantages) that appends lengths to `lengths`."""
    generator = random.Random(seed)

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
        lengths.append([len(ids) for ids in completion_ids])
        return [generator.random() for _ in completion_ids]

    return reward


def trl_config(options: argparse.Namespace, folder: str) -> GRPOConfig:
    """Return TRL's settings for this workload; `--set` overrides any of them."""
    # Tried on 8 x 16 x 64 tokens, one thread, fp32, prompts of 100 and 400 characters, to give TRL its best:
    # - micro-batches: 8, 16, 32 and 64 rows are within the noise of each other at 100 characters; at 400, 8 and 16 are
    #   up to 6 % faster than 32. All 128 at once cost 12 % (100) and 70 % (400) more: page faults and cache misses.
    # - attn_implementation eager is as fast as sdpa; cache_implementation static samples more slowly.
    # - use_transformers_continuous_batching, its pages and batches tuned by hand, samples more slowly; only with an
    #   untuned allocator, at 400 characters and 8 requests at a time, was its sampling 14 % faster.
    # - torch_compile is 4 to 5 % faster after a minute of compiling; off, as `benchmarks.step` is not compiled either.
    # - bf16 is autocast over fp32 weights, TRL's own default, which samples in fp32. With bf16 weights too it is 3 %
    #   (100) to 9 % (400) faster: --set 'model_init_kwargs={"dtype": "bfloat16"}'.
    # - The allocator is no setting of TRL and helps any trainer, so tune it for both or for neither:
    #   MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ at 100000000000 save up to 10 % of TRL's step with glibc.
    rollouts = options.problems * options.rollouts
    micro_batch = options.micro_batch or math.gcd(rollouts, FASTEST_MICRO_BATCH)
    if rollouts % micro_batch:
        raise SystemExit(f"--micro-batch {micro_batch} does not divide {rollouts} rollouts")
    settings: dict[str, Any] = {
        "output_dir": folder,
        "use_cpu": options.accelerator == "cpu",
        "seed": options.seed,
        # One optimizer step per sampling: TRL then needs no second forward for the old log-probabilities.
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": rollouts // micro_batch,
        "num_generations": options.rollouts,
        "num_iterations": 1,
        "max_steps": options.steps + 1,
        "max_completion_length": options.max_new_tokens,
        "temperature": 1.0,
        "beta": 0.0,
        "bf16": options.dtype == "bf16",
        "gradient_checkpointing": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    if options.ignore_eos:
        settings["generation_kwargs"] = {"min_new_tokens": options.max_new_tokens}
    return GRPOConfig(**(settings | dict(options.set)))


def peak_memory_mib() -> float:
    """Return this process's peak memory in MiB: the GPU's if there is one, else resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Train for one warm-up step and `options.steps` timed ones; return the measurements."""
    torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.policy, padding_side="left")
    prompts = random_prompts(tokenizer, options.problems * (options.steps + 1), options.prompt_chars, options.seed)
    clock, lengths = StepClock(), []
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=options.policy,
            args=trl_config(options, folder),
            reward_funcs=random_reward(lengths, options.seed),
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    tokens = sum(sum(step) for step in lengths[1:])
    return {
        "seconds_per_step": clock.wall[1:],
        "warm_up_seconds": clock.wall[0],
        "median_seconds_per_step": statistics.median(clock.wall[1:]),
        "cpu_seconds_per_step": clock.cpu[1:],
        "median_cpu_seconds_per_step": statistics.median(clock.cpu[1:]),
        "tokens_per_second": tokens / sum(clock.wall[1:]),
        "mean_completion_length": tokens / (options.problems * options.rollouts * options.steps),
        "peak_memory_mib": peak_memory_mib(),
        "workload": {key: value for key, value in vars(options).items() if key not in ("policy", "json")},
        "versions": {name: version(name) for name in ("trl", "transformers", "torch", "accelerate")},
    }


def setting(text: str) -> tuple[str, Any]:
    """Parse `KEY=VALUE` of `--set`, the value being JSON."""
    key, _, value = text.partition("=")
    return key, json.loads(value)


def parse(args: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trl_step", description="Time TRL's GRPOTrainer.")
    parser.add_argument("--policy", required=True, metavar="DIR", help="folder of a transformers model and tokenizer")
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--rollouts", type=int, default=16, help="of each problem")
    parser.add_argument("--prompt-chars", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5, help="timed steps, after one to warm up")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--micro-batch", type=int, help="rows of a forward and backward (default: 16, the fastest)")
    parser.add_argument("--ignore-eos", action="store_true", help="every response runs to the limit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=JSON", help="of GRPOConfig")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    """Run the command."""
    options = parse(args)
    figures = measure(options)
    if options.json:
        print(json.dumps(figures))
        return
    seconds, speed = figures["median_seconds_per_step"], figures["tokens_per_second"]
    print(f"TRL: {seconds:.2f} s per step, {speed:.0f} response tokens/s, {figures['peak_memory_mib']:.0f} MiB")


if __name__ == "__main__":
    main()
