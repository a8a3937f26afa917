"""Runs side by side share the cores: threads soon sleep while they wait."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
CODE = f"""
import os, sys, app
assert "torch" not in sys.modules
print({{name: os.environ[name] for name in {NAMES} if name in os.environ}})
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "10000"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
    ],
)
def test_threads_sleep_unless_the_user_says_otherwise(given: dict[str, str], expected: dict[str, str]) -> None:
    env = {name: value for name, value in os.environ.items() if name not in NAMES} | given
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(expected), done.stderr
