"""`python -m benchmarks.reproduce CLAIM` trains; `python -m benchmarks.reproduce document` writes the page."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.reproduce.claims import CLAIMS
from benchmarks.reproduce.curves import RESULTS, collect
from benchmarks.reproduce.document import write
from benchmarks.reproduce.runs import runs_of, train_all

DOCUMENT = "document"


def main(args: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    claims = {claim.name: claim for claim in CLAIMS}
    told = "\n".join(f"  {name:<20} {claim.title}; {claim.iterations:,} iterations" for name, claim in claims.items())
    parser = ArgumentParser(
        "python -m benchmarks.reproduce",
        description=f"Train the arms of a claim and keep what they measured, or write docs/reproduction.md.\n\n{told}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("claim", choices=[*claims, DOCUMENT], metavar="CLAIM", help=f"one of these, or {DOCUMENT}")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on one thread; 1 by default")
    parser.add_argument("--seeds", type=int, nargs="+", help="in place of the claim's own")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="where runs lie and are resumed from")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the CSV goes")
    given = parser.parse_args(args)
    if given.jobs < 1:
        parser.error(f"--jobs={given.jobs} must be at least 1")
    if given.claim == DOCUMENT:
        print(write())
        return 0
    claim = replace(claims[given.claim], seeds=tuple(given.seeds)) if given.seeds else claims[given.claim]
    root = given.runs.resolve()
    arms = [runs_of(claim, seed, root) for seed in claim.seeds]  # a seed after another
    try:
        train_all([run for of_seed in arms for runs in of_seed.values() for run in runs], given.jobs)
    finally:
        print(collect(claim, root, given.out), file=sys.stderr)  # the arms that are complete
    return 0


if __name__ == "__main__":
    sys.exit(main())
