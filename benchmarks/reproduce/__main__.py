"""`python -m benchmarks.reproduce CLAIM` trains; `python -m benchmarks.reproduce document` writes the pages."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.reproduce.claims import CLAIMS
from benchmarks.reproduce.comparisons import COMPARISONS
from benchmarks.reproduce.curves import RESULTS, collect
from benchmarks.reproduce.document import write
from benchmarks.reproduce.runs import runs_of, train_all

DOCUMENT = "document"


def main(args: Sequence[str] | None = None) -> int:
    """Run the command.  -> its exit status"""
    claims = {claim.name: claim for claim in (*CLAIMS, *COMPARISONS)}
    told = "\n".join(f"  {name:<20} {claim.title}; {claim.iterations:,} iterations" for name, claim in claims.items())
    parser = ArgumentParser(
        "python -m benchmarks.reproduce",
        description=f"Train the arms of a claim or a comparison and keep the results, or write the pages.\n\n{told}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("claim", choices=[*claims, DOCUMENT], metavar="CLAIM", help=f"one of these, or {DOCUMENT}")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on one thread; 1 by default")
    parser.add_argument("--seeds", type=int, nargs="+", help="train these alone")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="where runs lie and are resumed from")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="where the CSV goes, with all seeds that are complete"
    )
    given = parser.parse_args(args)
    if given.claim == DOCUMENT:
        print(*write(), sep="\n")
        return 0
    claim, root = claims[given.claim], given.runs.resolve()
    seeds = tuple(given.seeds or claim.seeds)
    if given.jobs < 1:
        parser.error(f"--jobs={given.jobs} must be at least 1")
    if given.out == RESULTS and not {*seeds} <= {*claim.seeds}:
        parser.error(f"--seeds={seeds} must be among {claim.seeds}, which chose nothing, unless --out is given")
    arms = [runs_of(claim, seed, root) for seed in seeds]  # seeds in order
    try:
        train_all([run for of_seed in arms for runs in of_seed.values() for run in runs], given.jobs)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        whole = claim if given.out == RESULTS else replace(claim, seeds=seeds)
        print(collect(whole, root, given.out), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
