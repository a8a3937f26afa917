"""Saves an update whose loss or gradient is not finite, recomputes it, and reports the row and token.

It is saved as a folder: `policy/`, the weights it was computed with as a transformers folder,
and for each process `rows.<rank>.pt`, tensors and text that load without unpickling objects. The loss
is not saved; the plain surrogate, ratio times advantage, is recomputed instead, of which other losses
are variants.
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from app.distributed.processes import rank
from app.policy import Policy, PretrainedPolicy, VisionPolicy
from app.storage.checkpoint import load_plain, write
from app.storage.files import naming
from app.types import Experience, Problem

log = logging.getLogger(__name__)

VERSION = 2


class NotFiniteError(ValueError):
    """Too many updates in a row had a loss or gradient that was not finite."""


class NonfiniteUpdates:
    """Counts skipped updates with a loss or gradient that is not finite; saves the first; too many end the run.

    Args:
        max_consecutive: how many updates in a row may be skipped.
    """

    def __init__(self, max_consecutive: int) -> None:
        if max_consecutive < 0:
            raise ValueError(f"max_consecutive_nonfinite_updates={max_consecutive} must be at least 0")
        self.max_consecutive = max_consecutive
        self.in_a_row = 0
        self.first: Path | None = None  # folder of the first, once saved

    def add(
        self, folder: Path, policy: Policy, rows: Experience, problems: Sequence[Problem], facts: dict[str, Any]
    ) -> None:
        """Count one more, on all processes together; NotFiniteError if there are too many.

        Args:
            folder: the run folder.
            policy, rows, problems: those of the update.
            facts: its "iteration", "update", "loss" and "norm" of the gradient.
        """
        self.in_a_row += 1
        if self.first is None:
            self.first = folder / "broken" / f"iteration-{facts['iteration']}"
            save_update(self.first, policy, rows, problems, facts)
        what = "iteration {iteration} has a loss of {loss:g} and a gradient of norm {norm:g}".format(**facts)
        where = f"`passk diagnose {self.first / f'rows.{rank()}.pt'}` tells where the first began"
        if self.in_a_row > self.max_consecutive:
            raise NotFiniteError(f"{what}, and {self.max_consecutive} updates before it were skipped; {where}")
        log.warning("%s: the update is skipped; %s", what, where)


def save_update(
    folder: Path, policy: Policy, rows: Experience, problems: Sequence[Problem], facts: dict[str, Any]
) -> None:
    """Save an update: a collective of all processes, each with its own rows."""
    record = {field.name: getattr(rows, field.name) for field in fields(rows)}
    asked = [{"key": problem.key, "label": problem.label} for problem in problems]
    with naming(folder):
        policy.save(folder / "policy")
        folder.mkdir(parents=True, exist_ok=True)
        write({"version": VERSION, **facts, "problems": asked, "rows": _on_cpu(record)}, folder / f"rows.{rank()}.pt")


def load_update(file: Path) -> dict[str, Any]:
    """Load what `save_update` wrote; the rows become an `Experience`.

    Raises:
        ValueError: the file is of another kind, or damaged.
        OSError: there is no such file.
    """
    with file.open("rb"):  # raises if there is none
        record = load_plain(file, "saved update")
    none = f"{file} holds no update that this version of passk has saved"
    if not isinstance(record, dict) or record.get("version") != VERSION:
        raise ValueError(none)
    try:
        return {**record, "rows": Experience(**record["rows"])}
    except (LookupError, TypeError):
        raise ValueError(none) from None


def faults(policy: Policy, rows: Experience) -> list[str]:
    """One line for each value that is not finite: weights, and for each row its first token, or its gradient."""
    found = [f"weight {name}" for name, weight in policy.model.named_parameters() if not weight.isfinite().all()]
    for row in range(len(rows)):
        fault = _fault_of_row(policy, rows.select(torch.tensor([row])))
        if fault:
            found.append(f"row {row} of problem {int(rows.problem[row])}, {fault}")
    return found


def _fault_of_row(policy: Policy, row: Experience) -> str | None:
    for name in ("advantages", "sampler_logprobs", "old_logprobs", "reference_logprobs"):
        values = getattr(row, name)
        if values is not None and not values[row.mask].isfinite().all():
            return _at(policy, row, name, values)
    policy.zero_grad()
    logprobs = policy.logprobs(row)  # [1, T]
    if not logprobs[row.mask].isfinite().all():
        return _at(policy, row, "log-probability", logprobs)
    sampled = logprobs.detach() if row.sampler_logprobs is None else row.sampler_logprobs
    surrogate = (logprobs - sampled).exp() * row.advantages * row.mask
    if not surrogate.isfinite().all():
        return _at(policy, row, "ratio times advantage", surrogate)
    (-surrogate.sum()).backward()
    grads = {name: each.grad for name, each in policy.model.named_parameters() if each.grad is not None}
    policy.zero_grad()
    broken = [name for name, grad in grads.items() if not grad.isfinite().all()]
    return f"gradient of {broken[0]}" if broken else None


def _at(policy: Policy, row: Experience, name: str, values: torch.Tensor) -> str:
    token = int((~values[0].isfinite() & row.mask[0]).nonzero()[0])
    text = policy.decode([[int(row.tokens[0, token])]])[0]
    return f"token {token} ({text!r}): {name} {values[0, token].item()}"


def main(arguments: Sequence[str]) -> None:
    """Run `passk diagnose`; raises what `diagnose` raises."""
    parser = ArgumentParser("passk diagnose", description="Recompute a saved non-finite update, row by row.")
    parser.add_argument("file", type=Path, help="broken/iteration-<number>/rows.<rank>.pt in a run folder")
    diagnose(parser.parse_args(arguments).file)


def diagnose(path: Path) -> None:
    """Recompute an update and print what is not finite in it.

    Raises:
        ValueError: the path has no such update.
        OSError: there is no such file.
    """
    record = load_update(path)
    rows: Experience = record["rows"]
    policy = (VisionPolicy if any(rows.vision) else PretrainedPolicy)(str(path.parent / "policy"))
    policy.build()
    print("iteration {iteration}, update {update}: loss {loss:.3g}, gradient norm {norm:.3g}".format(**record))
    for index, problem in enumerate(record["problems"]):
        print(f"problem {index}: {problem['label']} {problem['key']!r:.200}")
    found = faults(policy, rows)
    print("\n".join(found) if found else f"all that is computed of these {len(rows)} rows is finite")


def _on_cpu(value: Any) -> Any:
    """The value with all its tensors on the CPU, also in lists and dictionaries."""
    if isinstance(value, dict):
        return {name: _on_cpu(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_on_cpu(each) for each in value]
    return value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value
