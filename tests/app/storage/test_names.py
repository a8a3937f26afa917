"""Names for a logger that refuses some characters."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger

from app.storage.names import plain, rename_metrics

NAMES = [
    "eval/pass@8",
    "eval/7x7/maj@4",
    "eval/C++/pass@1",
    "eval/C/pass@1",
    "eval/数学/pass@1",
    "eval/几何/pass@1",
    "a b.c-d",
]


def test_no_two_names_meet_and_mlflow_takes_them_all() -> None:
    found = [plain(name) for name in NAMES]
    assert found[:3] == ["eval/pass_at_8", "eval/7x7/maj_at_4", "eval/C-2b--2b-/pass_at_1"]
    assert found[-1] == NAMES[-1]
    assert len(set(found)) == len(NAMES)
    assert all(re.fullmatch(r"[a-zA-Z0-9_/. -]+", name) for name in found)


def test_a_logger_that_refuses_names_is_given_others(tmp_path: Any) -> None:
    pytest.importorskip("mlflow")
    logger = MLFlowLogger(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    batches: list[Any] = []
    logger._initialized, logger._run_id = True, "1"
    logger._mlflow_client = type("Client", (), {"log_batch": lambda self, run_id, metrics: batches.append(metrics)})()
    rename_metrics(logger)
    logger.log_metrics({"eval/pass@8": 0.5}, 3)
    assert [(each.key, each.value, each.step) for each in batches[0]] == [("eval/pass_at_8", 0.5, 3)]


def test_others_stay_as_they_are(tmp_path: Any) -> None:
    logger = CSVLogger(tmp_path)
    rename_metrics(logger)
    assert "log_metrics" not in vars(logger)
