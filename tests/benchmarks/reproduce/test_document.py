"""The page is what the CSV files say."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
import yaml

from app.advantages import ByAccuracy, WithoutEasy
from benchmarks.reproduce.claim import FOLDER, Claim
from benchmarks.reproduce.claims import CLAIMS, RATE
from benchmarks.reproduce.comparisons import COMPARISONS
from benchmarks.reproduce.curves import Curves, read
from benchmarks.reproduce.document import PAGE, PICTURES, judged, page
from benchmarks.reproduce.draw import PANELS, draw, figure_of, over_seeds
from benchmarks.reproduce.verdicts import Verdict
from tests.conftest import ROOT


def test_the_page_is_generated_from_the_csv_files() -> None:
    assert PAGE.read_text() == page(), "run python -m benchmarks.reproduce document"


def test_what_the_pages_say_of_the_first_two_claims_is_what_their_files_say() -> None:
    short, longer = ([found for _, found in judged(claim, read(claim)) if found] for claim in CLAIMS[:2])
    readme, advantages = (" ".join((ROOT / name).read_text().split()) for name in ("README.md", "docs/advantages.md"))
    _, _, many, costs, ends, ends_many = longer
    assert [each.text for each in longer] == [*["holds"] * 3, "does not hold", *["holds"] * 2]
    assert (short[4].text, short[5].text) == ("undetermined", "holds")
    for said in (
        f"intervals over {many.difference.seeds} seeds",
        f"**{100 * ends.one.mean:.1f} against {100 * ends.other.mean:.1f} % of Pass@1** ({gained(ends)})",
        f"{100 * ends_many.one.mean:.1f} against {100 * ends_many.other.mean:.1f} % of Pass@8",
        f"the highest Pass@8, {100 * many.one.mean:.1f} %,",
        f"and costs {-100 * costs.difference.mean:.1f} points of Pass@1",
        f"still **{short[4].text}** ({gained(short[4])})",
    ):
        assert said in readme, said
    assert f"gave {gained(short[4], ' points of Pass@1')}" in advantages
    assert f"twice the batch {gained(ends)}" in advantages


def test_what_the_introduction_says_of_the_setting_is_what_is_run() -> None:
    """Lengths, batches, learning rates, validations, thresholds, and the statement that an objection refers to."""
    said = " ".join(page().partition("Verdicts of")[0].split())
    stages, longer, *_ = CLAIMS
    setting, wide, default = (
        yaml.safe_load(path.read_text())
        for path in (FOLDER / stages.setting, FOLDER / longer.setting, ROOT / "lightning.yaml")
    )
    cold, first, second = (stage.steps for stage in stages.arms["Pass@8, then Pass@1"])
    long_cold, long_first, long_second = (stage.steps for stage in longer.arms["Pass@8, then Pass@1"])
    data, rollouts = setting["data"]["init_args"], default["rollout"]["rollouts"]
    assert data["validation"] == wide["data"]["init_args"]["validation"] == {7: 1000}
    ends = {
        claim.name: sorted({int(row["iteration"]) for row in read(claim)["Pass@8"][1] if row["trained"]})
        for claim in (stages, longer)
    }
    short_ends = [each - cold for each in ends["stages"]]
    long_ends = [each - long_cold for each in ends["stages_longer"]]
    for told in (
        f"the same cold start of {cold} iterations. {first + second} iterations of {data['batch_size']} problems with "
        f"{rollouts} rollouts follow, at a learning rate of 4e-4 (in `k` also 8e-4 and 1.6e-3)",
        f"falls to zero in the last {second // 4}; ",
        f"changes its objective after {first}.",
        f"cold start of {long_cold} iterations, then {long_first + long_second} of "
        f"{default['data']['init_args']['batch_size']} problems with the change after {long_first}.",
        f"1,000 held-out mazes with {default['evaluation']['n']} answers each, at temperature 1.",
        f"after {listed(short_ends)} iterations, in `stages_longer` after {listed(long_ends)}.",
        f"easy above a pass rate of {100 * WithoutEasy().threshold:.0f} %",
        f"takes Pass@k above {100 * ByAccuracy().threshold:.0f} %",
    ):
        assert told in said, told
    assert RATE == 4e-4
    fourth = stages.sentences[3]
    assert (fourth.figure, fourth.one, fourth.other) == ("eval/pass@1", "Pass@8", "Pass@1")


def listed(iterations: list[int]) -> str:
    return f"{', '.join(map(str, iterations[:-1]))} and {iterations[-1]}"


def gained(verdict: Verdict, unit: str = "") -> str:
    """A difference with its interval, in points."""
    found = verdict.difference
    low, high = (100 * (bound or 0.0) for bound in (found.low, found.high))
    return f"{100 * found.mean:+.1f}{unit}, interval {low:.1f} to {high:.1f}"


def test_what_readme_says_of_the_three_forms_is_what_their_file_says() -> None:
    (forms,) = (claim for claim in CLAIMS if claim.name == "three_forms")
    bootstrap, analytic, *_ = (found for _, found in judged(forms, read(forms)) if found)
    readme = " ".join((ROOT / "README.md").read_text().split())
    for said in (
        f"three forms of Pass@8 training ({analytic.difference.seeds} seeds)",
        f"analytic advantages end with a Pass@8 of {100 * analytic.one.mean:.1f} %, bootstrap sampling with "
        f"{100 * bootstrap.one.mean:.1f} and full sampling with {100 * bootstrap.other.mean:.1f}",
    ):
        assert said in readme, said


def test_every_claim_that_was_run_has_its_picture() -> None:
    run = [claim.name for claim in CLAIMS if any(read(claim).values())]
    assert [name for name in run if not (PICTURES / f"{name}.svg").exists()] == []


@pytest.mark.parametrize("claim", [*CLAIMS, *COMPARISONS], ids=lambda claim: claim.name)
def test_arms_are_complete_and_share_the_runs_of_their_first_stages(claim: Claim) -> None:
    """Differences are paired by seed: the arms of a seed start from one cold start."""
    shared: dict[object, object] = {}
    for arm, seeds in read(claim).items():
        ends = list(accumulate(stage.steps for stage in claim.arms[arm]))
        for seed, rows in seeds.items():
            assert rows[-1]["iteration"] == ends[-1], (arm, seed)
            for length, end in enumerate(ends, 1):
                part = [row for row in rows if row["iteration"] <= end]
                assert shared.setdefault((seed, claim.arms[arm][:length]), part) == part, (arm, seed)


def test_the_picture_of_more_than_ten_arms_has_different_lines() -> None:
    curves: Curves = {str(arm): {1: [{"iteration": 1, "trained": 1, "x": arm, "y": 0}]} for arm in range(18)}
    axes, *_ = figure_of(curves, {"x": "x", "y": "y"}).axes
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 18


def test_without_results_every_claim_is_not_run_yet(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert text.count("| not run yet |") == sum(len(claim.sentences) for claim in CLAIMS)
    for claim in CLAIMS:
        assert f"`python -m benchmarks.reproduce {claim.name}`" in text
    assert "**" not in text.partition("## ")[2]


def made_up(path: Path) -> None:
    """Three seeds of the first claim, in which Pass@8 training is ahead of Pass@1 training by a tenth and a bit."""
    claim = CLAIMS[0]
    lines = ["arm,seed,stage,iteration,trained,cpu_s,eval/pass@1,eval/pass@8,eval/entropy,eval/distinct_wrong,"
             "objectives/pass@8/cosine,objectives/pass@8/norm_ratio,interference/75-100/change"]  # fmt: skip
    for arm in claim.arms:
        for seed in claim.seeds[:3]:
            lines.append(f"{arm!r},{seed},cold_start,125,0,36,0.1,0.3,0.8,0.9,,,".replace("'", '"'))
            for iteration in (225, 325) if len(claim.arms[arm]) > 1 else ():
                value = 0.3 + 0.1 * ("8" in arm) + 0.001 * seed + iteration / 10000
                figures = f"{value},{value},{value},{value},0.5,{400 / iteration},-0.01"
                lines.append(f'"{arm}",{seed},x,{iteration},1,36,{figures}')
    (path / f"{claim.name}.csv").write_text("\n".join(lines) + "\n")


def test_a_picture_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    made_up(tmp_path)
    curves = read(CLAIMS[0], tmp_path)
    for name in ("one", "other"):
        draw(curves, PANELS, tmp_path / f"{name}.svg")
    drawn = (tmp_path / "one.svg").read_text()
    assert drawn == (tmp_path / "other.svg").read_text()
    assert all(arm in drawn for arm in curves)
    draw({"cold start": {}}, PANELS, tmp_path / "nothing.svg")
    assert not (tmp_path / "nothing.svg").exists()


def test_verdicts_and_findings_are_those_of_the_numbers(tmp_path: Path) -> None:
    made_up(tmp_path)
    text = page(tmp_path)
    row = next(line for line in text.splitlines() if line.startswith("| Pass@1, at the end | Pass@8, then Pass@1 |"))
    assert row == (
        "| Pass@1, at the end | Pass@8, then Pass@1 | 43.5 [43.2, 43.7] | Pass@1 | 33.5 [33.2, 33.7] | "
        "10.0 [10.0, 10.0] | > 0.0 | **holds** |"
    )
    findings = {line.split(" | ")[0]: line for line in text.splitlines() if line.endswith("** |") and "[" in line}
    same_way = next(line for says, line in findings.items() if "point the same way" in says)
    assert same_way.endswith("| 0.500 [0.500, 0.500] | > 0.9 | **does not hold** |")
    lowered = next(line for says, line in findings.items() if "lowers Pass@1" in says)
    assert lowered.endswith("**does not hold** |")
    assert "| Pass@8 | 1 to 100 |" in text
    assert "| Pass@8 | 101 to 200 |" in text


def test_a_line_begins_at_the_end_of_the_cold_start(tmp_path: Path) -> None:
    made_up(tmp_path)
    line = over_seeds(read(CLAIMS[0], tmp_path), "Pass@1", "eval/pass@1")
    assert [*line] == [125, 225, 325]
    assert line[225].seeds == 3
