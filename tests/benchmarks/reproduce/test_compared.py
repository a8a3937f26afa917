"""The page of comparisons is what the CSV files say."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.reproduce.compared import comparison_page, differences, ends
from benchmarks.reproduce.comparisons import COMPARISONS, DRAWS, OBJECTIVES, SMOLLM2, SMOLLM2_DRAWS
from benchmarks.reproduce.curves import read
from benchmarks.reproduce.document import COMPARISON_PAGE
from tests.conftest import ROOT


def test_the_page_is_generated_from_the_csv_files() -> None:
    assert COMPARISON_PAGE.read_text() == comparison_page(), "run python -m benchmarks.reproduce document"


def test_without_results_nothing_is_compared(tmp_path: Path) -> None:
    text = comparison_page(tmp_path)
    for claim in COMPARISONS:
        assert f"Not run yet: {len(claim.seeds)} seeds, {claim.iterations:,} iterations" in text
        assert f"`python -m benchmarks.reproduce {claim.name}`" in text


def made_up(path: Path, ends: dict[str, dict[int, tuple[float, float]]]) -> str:
    """The section of the objectives, by their Pass@1 and Pass@8 at the end, with entropy 0.5."""
    lines = ["arm,seed,stage,iteration,trained,cpu_s,eval/pass@1,eval/pass@8,eval/pass@32,eval/greedy,eval/entropy"]
    for arm, seeds in ends.items():
        for seed, (one, many) in seeds.items():
            lines.append(f'"{arm}",{seed},cold_start,125,0,36,0.1,0.2,0.3,0.4,0.9')
            lines.append(f'"{arm}",{seed},x,600,1,36,{one},{many},0.9,0.6,0.5')
    (path / f"{OBJECTIVES.name}.csv").write_text("\n".join(lines) + "\n")
    return comparison_page(path).partition("## draws")[0]


def test_a_difference_is_paired_and_bold_where_its_interval_excludes_zero(tmp_path: Path) -> None:
    text = made_up(
        tmp_path,
        {
            "Pass@1": {1: (0.4, 0.5), 2: (0.5, 0.6), 3: (0.6, 0.7)},
            "Pass@8": {1: (0.3, 0.5), 2: (0.4, 0.7), 3: (0.5, 0.7)},
            "MaxRL": {2: (0.7, 0.8)},
        },
    )
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert rows["| Pass@1"].startswith("| Pass@1 | 3 | 50.0 [25.2, 74.8] |  | 60.0 [35.2, 84.8] |  |")
    pass_8 = "| Pass@8 | 3 | 40.0 [15.2, 64.8] | **-10.0 [-10.0, -10.0]** | 63.3 [34.6, 92.0] | 3.3 [-11.0, 17.7] |"
    assert rows["| Pass@8"] == f"{pass_8} 90.0 | 60.0 | 0.500 |"
    assert rows["| MaxRL"] == "| MaxRL | 1 | 70.0 | 20.0 | 80.0 | 20.0 | 90.0 | 60.0 | 0.500 |"
    assert "Not run yet: Pass@8, then Pass@1, " in text


def test_without_the_first_arm_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    assert "Not run yet: 5 seeds" in made_up(tmp_path, {"Pass@8": {1: (0.3, 0.5)}})


ARMS = {
    "`PassOne`": "Pass@1",
    "`PassK`": "Pass@8",
    "`PassK`, then `PassOne`": "Pass@8, then Pass@1",
    "`PassK`, k from 8 to 1 in one stage": "Pass@k, k from 8 to 1",
    "`FGRPO`": "F-GRPO",
    "`PKPOLeaveOneOutMinusOne`": "PKPO",
}
"""Objectives of docs/advantages.md whose arm has another name; the others are named after their class."""


def test_which_one_when_has_the_figures_of_the_comparison() -> None:
    text = (ROOT / "docs" / "advantages.md").read_text().partition("## Which one when")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ") and "`" in line]
    curves = {arm: ends(seeds) for arm, seeds in read(OBJECTIVES).items()}
    assert len(lines) >= 4
    for _, objective, *figures in lines:
        arm = ARMS.get(objective, objective.strip("`"))
        one, more_one, many, more_many = differences(curves[arm], curves["Pass@1"], arm == "Pass@1")
        told = [one.split(" [")[0], many.split(" [")[0]] if arm == "Pass@1" else [short(more_one), short(more_many)]
        assert figures == told, objective


def test_what_readme_says_of_the_comparison_is_what_its_file_says() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    curves = {arm: ends(seeds) for arm, seeds in read(OBJECTIVES).items()}
    for arm, said in (
        ("Pass@k, k from 8 to 1", "ends at {} points of Pass@1 and {} of Pass@8"),
        ("MaxRL", "MaxRL (2602.02710) at {} and {}."),
    ):
        _, one, _, many = differences(curves[arm], curves["Pass@1"], itself=False)
        assert len(curves[arm]) == 3
        assert said.format(short(one), short(many)) in readme, arm
    again = curves["Pass@8, then Pass@1"]
    _, one, *_ = differences(again, curves["Pass@1"], itself=False)
    assert f"{len(again)} other runs".replace("5", "five") in readme
    assert f"on another processor, gave {short(one).strip('*')}, {bounds(one)} (" in readme


def test_what_the_page_on_drawing_says_is_what_its_file_says() -> None:
    curves = {arm: ends(seeds) for arm, seeds in read(DRAWS).items()}
    decided = {
        arm: [cell for cell in differences(seeds, curves["uniform"], arm == "uniform") if cell.startswith("**")]
        for arm, seeds in curves.items()
    }
    assert not any(cell[2] != "-" for cells in decided.values() for cell in cells)
    text = " ".join((ROOT / "docs" / "drawing.md").read_text().split())
    assert (len(curves), sum(map(bool, decided.values()))) == (6, 4)
    assert {len(seeds) for seeds in curves.values()} == {3}
    assert "On a thousand mazes, over three seeds" in text
    assert "four of these five end with less of one" in text
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert "none of three problem samplers and two kinds of replay ends above uniform draws outside" in readme
    assert "four of the five end below on Pass@1 or Pass@8" in readme


def test_what_the_page_on_replay_says_is_what_its_file_says() -> None:
    curves = {arm: ends(seeds) for arm, seeds in read(DRAWS).items()}
    text = " ".join((ROOT / "docs" / "replay.md").read_text().split()).replace("**lower**", "lower")
    for arm, said in (
        ("GroupReplay", "it ends at {} points of Pass@1 ({}) and {} of Pass@8 ({}): no interval excludes 0."),
        ("PrefixReplay", "it ends lower: at {} points of Pass@1 ({}), and at {} of Pass@8 ({})."),
    ):
        _, one, _, many = differences(curves[arm], curves["uniform"], itself=False)
        assert (one[0] == "*", many[0] == "*") == (arm == "PrefixReplay", False)
        found = said.format(short(one).strip("*"), bounds(one), short(many), bounds(many))
        assert found in text, found


def test_readme_counts_the_verdicts_of_the_page() -> None:
    page = " ".join((ROOT / "docs" / "reproduction.md").read_text().split())
    counted = re.findall(r"holds (\d+), does not hold (\d+), undetermined (\d+)", page)
    (holds, fails, undetermined), strict = (tuple(map(int, each)) for each in counted)
    said = (
        f"Of {holds + fails + undetermined} tests of the paper's statements, {holds} hold, {fails} do not hold and "
        f"{undetermined} are undetermined; {strict[0]}, {strict[1]} and {strict[2]} with a correction for their number "
        "(Holm's)."
    )
    assert said in " ".join((ROOT / "README.md").read_text().split())


def test_what_the_pages_say_of_smollm2_is_what_its_file_says() -> None:
    curves = {arm: ends(seeds) for arm, seeds in read(SMOLLM2).items()}
    assert {len(seeds) for seeds in curves.values()} == {3}
    found = {arm: differences(seeds, curves["Pass@1"], arm == "Pass@1") for arm, seeds in curves.items()}
    assert not any("**" in cell for cells in found.values() for cell in cells)
    for place in (0, 2):  # Pass@1, Pass@8
        best = max(found, key=lambda arm: float(found[arm][place].split(" [")[0]))
        assert best == "Pass@4, then Pass@1"
    _, one, _, many = found["Pass@4, then Pass@1"]
    readme = " ".join((ROOT / "README.md").read_text().split())
    said = f"ends at {short(one)} points of Pass@1 ({bounds(one)}) and {short(many)} of Pass@8 ({bounds(many)})."
    assert f"no interval excludes 0: Pass@4, then Pass@1 {said}" in readme


def bounds(difference: str) -> str:
    """The interval."""
    return difference.strip("*").partition(" [")[2].rstrip("]").replace(", ", " to ")


def short(difference: str) -> str:
    """A signed mean without its interval, bold where the interval excludes 0."""
    mean = f"{float(difference.strip('*').split(' [')[0]):+.1f}"
    return f"**{mean}**" if difference.startswith("**") else mean


def test_what_the_pages_say_of_samplers_for_smollm2_is_what_its_file_says() -> None:
    curves = {arm: ends(seeds) for arm, seeds in read(SMOLLM2_DRAWS).items()}
    assert {len(seeds) for seeds in curves.values()} == {3}
    more = {arm: differences(seeds, curves["uniform"], arm == "uniform")[1::2] for arm, seeds in curves.items()}
    of = {arm: " and ".join(map(short, pair)) for arm, pair in more.items() if arm != "uniform"}
    said = {
        "drawing": f"are {of['ByPassRate'].replace(' and', ' points of Pass@1 and')} of Pass@8 for `ByPassRate`, "
        f"{of['Pools']} for `Pools`, {of['Curriculum']} for `Curriculum`;",
        "replay": "For SmolLM2 on 48 problems the differences are {} ({}) and {} ({})",
        "advantages": "k = 4 throughout gave {} points of Pass@1 ({}) and {} of Pass@8 ({}).",
    }
    pages = {name: " ".join((ROOT / "docs" / f"{name}.md").read_text().split()) for name in said}
    assert said["drawing"] in pages["drawing"]
    for name, arm in (("replay", "GroupReplay"), ("replay", "PrefixReplay"), ("advantages", "k from 4 to 1")):
        one, many = more[arm]
        assert said[name].format(short(one), bounds(one), short(many), bounds(many)) in pages[name], arm
    costs = {
        arm: sum(row.get("cpu_s", 0.0) for rows in read(SMOLLM2_DRAWS)[arm].values() for row in rows)
        for arm in ("uniform", "GroupReplay")
    }
    readme = " ".join((ROOT / "README.md").read_text().split())
    for text in (pages["replay"], readme):
        assert f"at {costs['GroupReplay'] / costs['uniform']:.1f} times the CPU seconds" in text
    decided = {arm for arm, pair in more.items() if any(cell.startswith("**") for cell in pair)}
    assert decided <= {"GroupReplay", "k from 4 to 1"}
    assert f"`GroupReplay` ends at {of['GroupReplay']} (Pass@1 and Pass@8)" in readme
    assert f"k from 4 to 1 at {of['k from 4 to 1']}, compared with Pass@4 training alone" in readme
