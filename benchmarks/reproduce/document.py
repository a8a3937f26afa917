"""Writes docs/reproduction.md and docs/comparisons.md from the CSV files; computes all their numbers and verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

from benchmarks.reproduce.claim import FOLDER, Claim, Sentence
from benchmarks.reproduce.claims import CLAIMS
from benchmarks.reproduce.compared import comparison_page
from benchmarks.reproduce.comparisons import COMPARISONS
from benchmarks.reproduce.curves import RESULTS, Curves, cpu_hours, read
from benchmarks.reproduce.draw import OBJECTIONS, PANELS, SPENDING, draw
from benchmarks.reproduce.markdown import shown, table
from benchmarks.reproduce.objections import ARMS, objections
from benchmarks.reproduce.verdicts import LEVEL, VERDICTS, Verdict, corrected, judge

HEAD = ("statement of the paper", "where", "in miniature", "seeds", "p", "claim")
DOCS = FOLDER.parents[1] / "docs"
PAGE = DOCS / "reproduction.md"
COMPARISON_PAGE = DOCS / "comparisons.md"
PICTURES = DOCS / "reproduction"
INTRODUCTION = """\
# The paper's claims, tested in miniature

What arXiv 2508.10751 says of Pass@k training, tested with a policy of 170,000 parameters that learns to solve mazes, on
CPU cores (`benchmarks/reproduce/mazes.yaml`). This is neither a 7B model nor language: a statement that holds here may
fail there, and the reverse. Other differences from the paper: arms start from imitation of demonstrations with typos,
not from a model after Pass@1 training; k is 8 unless stated (the paper does not give the k of its main runs); an
iteration is one update; evaluation is without top_p. Where the paper gives no rule, `designs` has passk's: a problem is
easy above a pass rate of 60 %, and "by accuracy" takes Pass@k above 50 %. Lengths and learning rates were chosen with
seeds 100 and 101, which are in no result. Among what is not tested: bootstrap sampling against four times the rollouts
of full sampling (Figure 4), the collapse with an entropy bonus of 0.005 (Figure 6b), other tasks than those of training
(Table 1), other models and pictures.

Each claim has several arms (training runs to compare) and one or more statements. All arms of a seed start from the
same cold start of 125 iterations. 475 iterations of 16 problems with 32 rollouts follow, at a learning rate of 4e-4 (in
`k` also 8e-4 and 1.6e-3) that falls to zero in the last 50; "Pass@8, then Pass@1" changes its objective after 275. A
second round of `two_rounds` is another 475. `stages_longer` has the default run's cold start of 500 iterations, then
800 of 32 problems with the change after 600. Iterations are counted from the end of the cold start. A seed decides
weights, mazes, held-out ones too, their order and the rollouts; five were committed for each claim, and the column
`seeds` has the number run. With fewer than five a verdict is provisional. The arms of `stages` were trained again for
the other claims, on another processor, which rounds sums differently: figures of the same seed differ as those of two
seeds do. The other claims of the same setting share runs, such as all Pass@8 runs, so that their verdicts are not
independent, and each one's CPU hours include shared runs. Results are on 1,000 held-out mazes with 32 answers each, at
temperature 1.

A statement says that one arm is above another by more than a bound. It **holds** if the 95 % interval of the paired
difference over seeds (Student's t) lies above the bound, **does not hold** if it lies below, and is **undetermined**
otherwise, or with fewer than three seeds. An interval covers another draw of the seed, if the differences are about
normal; it covers no other task, size, k or learning rate. A difference is paired, so its interval may exclude 0 where
those of both arms overlap. Validations are after 75, 175, 275, 375 and 475 iterations, in `stages_longer` after 100,
300, 500, 600, 700 and 800. "Mean over training" is the mean over them, "largest fall" the largest drop below an earlier
one. In pictures iterations are counted with the cold start, and rates are fractions. "Reward" is the mean reward in
training since the last validation. Arms, seeds and rules are in [claims.py](../benchmarks/reproduce/claims.py); the
rules were committed before the runs that they decide, as the histories of that file and of
`benchmarks/reproduce/results/` show. The result files record neither the commit of the code nor the versions of
packages; the history gives the commit that added each seed.

`python -m benchmarks.reproduce CLAIM` trains a claim's arms, skips completed runs and resumes interrupted ones; `--jobs
8` trains eight runs at a time. It replaces the claim's file in `benchmarks/reproduce/results/` once the runs have all
its arms and seeds; `--out DIR` writes elsewhere. `python -m benchmarks.reproduce document` generates this page from the
files in that folder; a test checks that it is up to date.
"""


def page(folder: Path = RESULTS) -> str:
    """The whole page, from the CSV files of a folder."""
    results = [(claim, read(claim, folder)) for claim in CLAIMS]
    parts = [INTRODUCTION, overview(results), *(section(*each) for each in results), objections(results[0][1])]
    return "\n".join(part for part in parts if part)


def write() -> tuple[Path, Path]:
    """Write both pages and their pictures.  -> their paths"""
    for claim in (*CLAIMS, *COMPARISONS):
        draw(read(claim), PANELS, PICTURES / f"{claim.name}.svg")
    both = {arm: seeds if arm in ARMS else {} for arm, seeds in read(CLAIMS[0]).items()}  # in the first claim's colors
    for name, panels in {"objections": OBJECTIONS, "spending": SPENDING}.items():
        draw(both, panels, PICTURES / f"{name}.svg")
    PAGE.write_text(page())
    COMPARISON_PAGE.write_text(comparison_page())
    return PAGE, COMPARISON_PAGE


def overview(results: Sequence[tuple[Claim, Curves]]) -> str:
    """All sentences with their verdicts, and the number of each verdict."""
    verdicts = [verdict for claim, curves in results for _, verdict in judged(claim, curves)]
    counts = Counter(verdict.text if verdict else "not run yet" for verdict in verdicts)
    told = ", ".join(f"{name} {counts[name]}" for name in (*VERDICTS, "not run yet"))
    strict = Counter(corrected(verdicts))
    many = fill(
        f"Intervals and verdicts are not corrected for the number of statements: if every difference were equal to its "
        f"bound, {LEVEL * len(verdicts):.0f} of {len(verdicts)} would be expected to be decided by chance. By Holm's "
        f"method at {100 * LEVEL:.0f} % for all {len(verdicts)} together: "
        f"{', '.join(f'{name} {strict[name]}' for name in VERDICTS)}. `p` is the two-sided p-value of the difference "
        "against the bound. The statements about the two objections, below, are not counted.",
        120,
    )
    rows = [
        [sentence.says, sentence.place, f"**{verdict.text}**" if verdict else "not run yet",
         str(verdict.difference.seeds) if verdict else "", probability(verdict), claim.name]
        for claim, curves in results
        for sentence, verdict in judged(claim, curves)
    ]  # fmt: skip
    return f"Verdicts of the {len(verdicts)} statements: {told}.\n\n{many}\n\n" + table(HEAD, rows)


def probability(verdict: Verdict | None) -> str:
    """The p-value with two digits; "" without one."""
    if verdict is None or verdict.p is None:
        return ""
    return f"{verdict.p:.2g}" if verdict.p >= 0.001 else "< 0.001"


def judged(claim: Claim, curves: Curves) -> Iterator[tuple[Sentence, Verdict | None]]:
    return ((sentence, judge(sentence, curves)) for sentence in claim.sentences)


def section(claim: Claim, curves: Curves) -> str:
    """The section of a claim: differences, picture and cost."""
    command = f"`python -m benchmarks.reproduce {claim.name}`"
    heading = f"## {claim.name}: {claim.title}\n"
    verdicts = [verdict for _, verdict in judged(claim, curves) if verdict is not None]
    if not verdicts:
        return f"{heading}\nNot run yet: {len(claim.seeds)} seeds, {claim.iterations:,} iterations. {command}\n"
    rows = [compared(verdict) for verdict in verdicts]
    missing = [arm for arm, seeds in curves.items() if not seeds]
    cost = f"{cpu_hours(claim, curves):.1f} CPU hours. {command}"
    untrained = f"Not run yet: {', '.join(missing)}. " if missing else ""
    head = ["metric", "one arm", "mean", "another", "mean", "difference", "bound", "verdict"]
    picture = f"![{claim.title}](reproduction/{claim.name}.svg)\n"
    lines = fill(f"Means over seeds; bands and brackets are 95 % intervals. {untrained}{cost}", 120)
    return "\n".join([heading, table(head, rows), picture, f"{lines}\n"])


def compared(verdict: Verdict) -> list[str]:
    """A row of a claim's table."""
    sentence = verdict.sentence
    at = {"last": "at the end", "fall": "largest fall", "mean": "mean over training"}[sentence.at]
    scale, places = (1, 3) if "entropy" in sentence.figure else (100, 1)  # nats, or per cent
    one, other, difference = (shown(each, scale, places) for each in (verdict.one, verdict.other, verdict.difference))
    name, bound = f"{label(sentence.figure)}, {at}", f"> {scale * sentence.by:.{places}f}"
    return [name, sentence.one, one, sentence.other, other, difference, bound, f"**{verdict.text}**"]


def label(figure: str) -> str:
    """A metric's name in the text."""
    name = figure.rpartition("/")[2].replace("pass@", "Pass@").replace("distinct_wrong", "distinct wrong answers")
    return f"{name} (nats)" if name == "entropy" else name if name.startswith("Pass@") else f"{name} (%)"
