"""What the tests of the app share."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes measured and trained."""
    from tests.app.two_processes import work
    from tests.forked import found_by_two

    return found_by_two(work, tmp_path_factory.mktemp("two_processes"))
