"""Sampling compared with `model.generate`, same model and prompts: `python -m benchmarks.sampling --policy DIR`.

Both sample N answers of varying length to each of P prompts at temperature 1, alternately, several times.
Prints the ratio of their useful tokens per second (an answer's tokens up to its end).
"""

from __future__ import annotations

import argparse
import json
import statistics
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM

from app.engines.transformers import TransformersEngine
from app.policy import Policy
from app.types import Request, Sampling
from benchmarks.workload import load_policy, random_problems, requests


def with_passk(engine: TransformersEngine, asked: list[Request], n: int, sampling: Sampling) -> int:
    """Sample with the engine.  -> useful tokens"""
    return sum(len(row.tokens) for group in engine.generate(asked, n, sampling) for row in group)


@torch.no_grad()
def with_generate(model: Any, policy: Policy, asked: list[Request], n: int, sampling: Sampling) -> int:
    """Sample with transformers' `generate`; prompts are left-padded to equal lengths.  -> useful tokens"""
    prompts = [request.tokens.flip(0) for request in asked]
    ids = pad_sequence(prompts, batch_first=True).flip(1).to(model.device)  # [P, S], padded on the left
    seen = pad_sequence([torch.ones_like(each) for each in prompts], batch_first=True).flip(1).to(model.device)
    ended = policy.stop_ids(sampling)
    output: Tensor = model.generate(
        ids,
        attention_mask=seen,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        num_return_sequences=n,
        max_new_tokens=sampling.max_new_tokens,
        eos_token_id=ended,
        pad_token_id=ended[0],
    )
    answers = output[:, ids.shape[1] :]
    ends = torch.isin(answers, torch.tensor(ended, device=answers.device))
    running = ends.long().cumsum(-1) - ends.long()  # end tokens before this one
    return int((running == 0).sum())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Time both alternately."""
    policy = load_policy(options.policy, options.threads, options.dtype).to(options.device)
    policy.eval()
    plain = AutoModelForCausalLM.from_pretrained(options.policy, dtype=options.dtype).eval()  # not modified by passk
    plain = plain.to(options.device)
    engine = TransformersEngine()
    engine.sync(policy)
    sampling = Sampling(max_new_tokens=options.max_new_tokens)
    problems = random_problems(policy.tokenizer, options.problems, options.prompt_chars, 0)
    rates: dict[str, list[float]] = {"passk": [], "generate": []}
    for repeat in range(options.repeats + 1):
        asked = requests(policy, problems, f"{repeat}")
        for name in rates:
            begun = perf_counter()
            if name == "passk":
                tokens = with_passk(engine, asked, options.rollouts, sampling)
            else:
                tokens = with_generate(plain, policy, asked, options.rollouts, sampling)
            rates[name].append(tokens / (perf_counter() - begun))
    ratios = [ours / theirs for ours, theirs in zip(rates["passk"][1:], rates["generate"][1:], strict=True)]
    return {
        "passk_tokens_per_second": rates["passk"][1:],
        "generate_tokens_per_second": rates["generate"][1:],
        "ratios": ratios,
        "median_ratio": statistics.median(ratios),
    }


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", required=True, help="a transformers folder (benchmarks.make_policy writes one)")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--prompt-chars", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args(args)
    figures = measure(options)
    print(json.dumps(figures) if options.json else f"{figures['median_ratio']:.2f} times the tokens of generate")


if __name__ == "__main__":
    main()
