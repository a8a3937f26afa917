"""What handing weights to vLLM costs, and its sampling against bare vLLM on the same requests.

    python -m benchmarks.vllm --policy DIR [--problems 16] [--rollouts 16] [--max-new-tokens 64] [--rounds 5]

In turn, several times: an update with its proof, then the engine's `generate` and vLLM's own. Prints medians as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from time import perf_counter

from app.engines.vllm import VLLMEngine
from app.types import Sampling
from benchmarks.workload import load_policy, random_problems, requests


def seconds(work: Callable[[], object]) -> float:
    """That a call takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", required=True, help="a transformers folder (benchmarks.make_policy writes one)")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--prompt-chars", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    policy = load_policy(options.policy, threads=1)
    engine, sampling = VLLMEngine(), Sampling(max_new_tokens=options.max_new_tokens)
    engine.sync(policy)
    asked = requests(policy, random_problems(policy.tokenizer, options.problems, options.prompt_chars, 0), "benchmark")
    prompts, parameters = engine.as_vllm(asked, options.rollouts, sampling, policy.stop_ids(sampling))
    bare = lambda: engine.llm.generate(prompts, parameters, use_tqdm=False)  # noqa: E731
    bare()
    rows = [
        {
            "update": seconds(lambda: engine.update(policy)),
            "update_and_proof": seconds(lambda: engine.sync(policy)),
            "sampling": seconds(lambda: engine.generate(asked, options.rollouts, sampling)),
            "bare_sampling": seconds(bare),
        }
        for _ in range(options.rounds)
    ]
    figures = {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}
    ratios = [round(row["bare_sampling"] / row["sampling"], 3) for row in rows]
    parameters_held = sum(parameter.numel() for parameter in policy.parameters())
    print(
        json.dumps({**figures, "of_bare": statistics.median(ratios), "ratios": ratios, "parameters": parameters_held})
    )


if __name__ == "__main__":
    main()
