"""`python -m benchmarks.reproduce CLAIM` trains; `python -m benchmarks.reproduce document` writes the pages."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.reproduce.claim import Claim
from benchmarks.reproduce.claims import CLAIMS
from benchmarks.reproduce.comparisons import COMPARISONS
from benchmarks.reproduce.curves import RESULTS, collect, read
from benchmarks.reproduce.document import write
from benchmarks.reproduce.runs import runs_of, train_all

DOCUMENT = "document"
INTERRUPTED = 130


def main(args: Sequence[str] | None = None) -> int:
    """Run the command.  -> its exit status: 1 if a run fails or a CSV can't be read, 130 on Ctrl-C"""
    claims = {claim.name: claim for claim in (*CLAIMS, *COMPARISONS)}
    parser = parser_of(claims)
    given = parser.parse_args(args)
    if given.claim == DOCUMENT:
        try:
            print(*write(), sep="\n")
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    claim, root = claims[given.claim], given.runs.resolve()
    seeds = tuple(given.seeds or claim.seeds)
    if given.jobs < 1:
        parser.error(f"--jobs={given.jobs} must be at least 1")
    if given.out == RESULTS and not {*seeds} <= {*claim.seeds}:
        parser.error(f"--seeds={seeds} must be among {claim.seeds}, which chose nothing, unless --out is given")
    arms = [runs_of(claim, seed, root) for seed in seeds]  # seeds in order
    try:
        given.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out={given.out}: {error.strerror}")
    try:
        known = {(arm, seed) for arm, of_arm in read(claim, given.out).items() for seed in of_arm}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        train_all([run for of_seed in arms for runs in of_seed.values() for run in runs], given.jobs)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("interrupted: the same command resumes the runs", file=sys.stderr)
        status = INTERRUPTED
    else:
        status = 0
    own = claim.seeds if given.out == RESULTS else {*seeds, *(seed for _, seed in known)}
    print(save(replace(claim, seeds=tuple(sorted(own))), root, given.out, known), file=sys.stderr)
    return status


def parser_of(claims: Mapping[str, Claim]) -> ArgumentParser:
    """The parser of the command's arguments."""
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
        "--out",
        type=Path,
        default=RESULTS,
        help="where the CSV of all complete arms and seeds goes; one that has more of them is not replaced",
    )
    return parser


def save(claim: Claim, root: Path, folder: Path, known: set[tuple[str, int]]) -> str:
    """Write the claim's CSV; into `root` if that would lose known arms and seeds.  -> what to tell"""
    complete = {
        (arm, seed)
        for seed in claim.seeds
        for arm, runs in runs_of(claim, seed, root).items()
        if all(run.record["done"] for run in runs)
    }
    lost = sorted(known - complete)
    if not lost:
        return str(collect(claim, root, folder))
    arm, seed = lost[0]
    root.mkdir(parents=True, exist_ok=True)
    kept = f"{folder / claim.name}.csv is kept, {root} has no complete run of {arm!r} with seed {seed}"
    return f"{kept}; the complete ones: {collect(claim, root, root)}"


if __name__ == "__main__":
    sys.exit(main())
