"""Names of metrics for loggers that do not allow some characters: MLflow allows no "@"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lightning.pytorch.loggers import Logger, MLFlowLogger


def plain(name: str) -> str:
    """A name that MLflow allows: eval/pass_at_8 for eval/pass@8. Different names stay different.

    Other characters that it does not allow are replaced by their code: C-2b--2b- for C++.
    """
    return re.sub(r"[^\w./ -]", lambda found: f"-{ord(found[0]):x}-", name.replace("@", "_at_"), flags=re.ASCII)


def rename_metrics(logger: Logger) -> None:
    """Make a logger use the names of `plain`; Lightning drops characters, so that different names become equal."""
    if isinstance(logger, MLFlowLogger):
        log_metrics = logger.log_metrics

        def log_renamed(metrics: Mapping[str, float], step: int | None = None) -> None:
            log_metrics({plain(name): value for name, value in metrics.items()}, step)

        logger.log_metrics = log_renamed
