"""What the tests of the app share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes measured and trained; pytest-xdist's workers start them once for all."""
    from tests.app.two_processes import work
    from tests.forked import results_of_two

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "two_processes"  # of this run alone
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            part = Path(tmp_path_factory.mktemp("two_processes"))
            results_of_two(work, part)
            part.rename(folder)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]
