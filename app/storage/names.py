"""Names of figures for loggers that refuse some characters: MLflow, which takes no "@"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lightning.pytorch.loggers import Logger, MLFlowLogger


def plain(name: str) -> str:
    """A name as MLflow takes it: eval/pass_at_8 for eval/pass@8. Names that differ stay different.

    Any other character that it refuses stands as its number: C-2b--2b- for C++.
    """
    return re.sub(r"[^\w./ -]", lambda found: f"-{ord(found[0]):x}-", name.replace("@", "_at_"), flags=re.ASCII)


def rename_metrics(logger: Logger) -> None:
    """Have a logger that refuses names be given those of `plain`; Lightning drops the characters, and names meet."""
    if isinstance(logger, MLFlowLogger):
        log_metrics = logger.log_metrics

        def log_renamed(metrics: Mapping[str, float], step: int | None = None) -> None:
            log_metrics({plain(name): value for name, value in metrics.items()}, step)

        logger.log_metrics = log_renamed
