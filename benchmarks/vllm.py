"""Times of sending weights to vLLM, and of sampling compared with plain vLLM and passk's own engine.

    python -m benchmarks.vllm --policy DIR [--served] [--dtype bfloat16] [--problems 16] [--rollouts 16] [--rounds 5]

Alternately, several times: an update with its check, then the engine's `generate`, vLLM's own (in process), and that of
`TransformersEngine`. Prints medians and the ratios of each round as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from time import perf_counter

from app.engines.transformers import TransformersEngine
from app.engines.vllm.inprocess import VLLMEngine
from app.engines.vllm.server import VLLMServerEngine
from app.types import Sampling
from benchmarks.workload import load_policy, random_problems, requests


def seconds(work: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", required=True, help="a transformers folder (benchmarks.make_policy writes one)")
    parser.add_argument("--served", action="store_true", help="by a `vllm serve` process")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--prompt-chars", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; vLLM's are set by its own variables")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    policy = load_policy(options.policy, options.threads, options.dtype)
    engine = VLLMServerEngine() if options.served else VLLMEngine()
    own = TransformersEngine()
    sampling = Sampling(max_new_tokens=options.max_new_tokens)
    engine.sync(policy)
    own.sync(policy)
    asked = requests(policy, random_problems(policy.tokenizer, options.problems, options.prompt_chars, 0), "benchmark")
    works: dict[str, Callable[[], object]] = {
        "update": lambda: engine.update(policy),
        "update_and_proof": lambda: engine.sync(policy),
        "sampling": lambda: engine.generate(asked, options.rollouts, sampling),
    }
    if isinstance(engine, VLLMEngine):
        prompts, parameters = engine.as_vllm(asked, options.rollouts, sampling, policy.stop_ids(sampling))
        llm = engine.llm
        works["bare_sampling"] = lambda: llm.generate(prompts, parameters, use_tqdm=False)
    works["transformers_sampling"] = lambda: own.generate(asked, options.rollouts, sampling)
    for work in works.values():
        work()
    rows: list[dict[str, float]] = [{} for _ in range(options.rounds)]
    for row in rows:
        for name, work in works.items():
            engine.forget()  # else the second one has the prompts cached
            row[name] = seconds(work)
    engine.close()
    figures = {name: round(statistics.median(row[name] for row in rows), 3) for name in works}
    print(json.dumps({**figures, "parameters": sum(each.numel() for each in policy.parameters()), **ratios(rows)}))


def ratios(rows: list[dict[str, float]]) -> dict[str, dict[str, float | list[float]]]:
    """Times of plain vLLM (not of a server) over the engine's, and of the engine's over `TransformersEngine`'s."""
    found: dict[str, dict[str, float | list[float]]] = {}
    for one, other in (("bare_sampling", "sampling"), ("sampling", "transformers_sampling")):
        shares = [round(row[one] / row[other], 3) for row in rows if one in row]
        if shares:
            found[f"{one} / {other}"] = {"median": statistics.median(shares), "rounds": shares}
    return found


if __name__ == "__main__":
    main()
