"""Writes generated problems of Enigmata as upstream's records, for its verifiers and for programs that read its data.

python -m datamodules.enigmata.export records.jsonl --number 3600 [--weights.Crypto 1] [--seed 0]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jsonargparse import auto_cli

from datamodules.base.generate import generate
from datamodules.enigmata import mixture, portions
from datamodules.enigmata.tasks.records import record_of


def export(
    path: Path,
    number: int = 3600,
    weights: dict[str, float] | None = None,
    difficulties: dict[str, float] | None = None,
    seed: int = 0,
) -> None:
    """Write a JSONL file of distinct problems, one record per line.

    Args:
        path: the file.
        number: the number of problems.
        weights: of the mixture, by task or by category, as in `EnigmataDataModule`; None: all tasks equally.
        difficulties: weights of "easy", "medium" and "hard"; None: all equally.
        seed: of the problems.

    Raises:
        ValueError: for an unknown task, a negative weight, or more problems than can be found.
    """
    problems, _ = generate({"train": portions(number, mixture(weights, difficulties))}, seed)
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(record_of(problem)) + "\n" for problem in problems["train"])  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        auto_cli(export)
    except ValueError as error:
        sys.exit(str(error))
