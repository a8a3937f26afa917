"""The page is what the CSV files say."""

from __future__ import annotations

from pathlib import Path

from benchmarks.reproduce.claims import CLAIMS
from benchmarks.reproduce.curves import read
from benchmarks.reproduce.document import PAGE, PICTURES, page


def test_the_page_is_generated_from_the_csv_files() -> None:
    assert PAGE.read_text() == page(), "run python -m benchmarks.reproduce document"


def test_every_claim_that_was_run_has_its_picture() -> None:
    run = [claim.name for claim in CLAIMS if any(read(claim).values())]
    assert [name for name in run if not (PICTURES / f"{name}.svg").exists()] == []


def test_without_results_every_claim_is_not_run_yet(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert text.count("| not run yet |") == sum(len(claim.sentences) for claim in CLAIMS)
    for claim in CLAIMS:
        assert f"`python -m benchmarks.reproduce {claim.name}`" in text
    assert "**" not in text.partition("## ")[2]
