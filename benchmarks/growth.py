"""Time and memory of an iteration as its sizes grow: `python -m benchmarks.growth --policy DIR > FILE`.

From one base, one size at a time takes larger values; each point is a process of `benchmarks.step`. Make the policy
with `python -m benchmarks.make_policy DIR --vocabulary 4096`: then few responses end before the limit of their length.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

BASE = {"problems": 8, "rollouts": 16, "prompt-chars": 100, "max-new-tokens": 64}
GROWN = {
    "rollouts": (8, 16, 32, 64),
    "prompt-chars": (100, 400, 1600),
    "max-new-tokens": (64, 128, 256, 512),
    "problems": (8, 16, 32, 64),
}
KEPT = ("median_seconds_per_step", "median_cpu_seconds_per_step", "peak_memory_mib", "mean_completion_length")


def points() -> list[dict[str, int]]:
    """All sizes, each once."""
    found: list[dict[str, int]] = []
    for name, values in GROWN.items():
        for value in values:
            point = {**BASE, name: value}
            if point not in found:
                found.append(point)
    return found


def measure(policy: str, point: dict[str, int], steps: int) -> dict[str, Any]:
    """The sizes and their figures."""
    sizes = [f"--{name}={value}" for name, value in point.items()]
    command = [sys.executable, "-m", "benchmarks.step", f"--policy={policy}", f"--steps={steps}", "--json", *sizes]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    return {**point, **{name: figures[name] for name in KEPT}}


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", required=True, help="a transformers folder")
    parser.add_argument("--machine", default="", help="a description for the file")
    parser.add_argument("--steps", type=int, default=1, help="timed iterations after the first")
    options = parser.parse_args(args)
    rows = []
    for point in points():
        rows.append(measure(options.policy, point, options.steps))
        print(json.dumps(rows[-1]), file=sys.stderr)
    print(json.dumps({"machine": options.machine, "points": rows}, indent=1))


if __name__ == "__main__":
    main()
