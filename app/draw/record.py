"""The record of each training problem's draws and passes, for samplers, and its file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.storage.checkpoint import CheckpointError
from app.storage.files import replacing
from app.types import Problem

COUNTS = {"drawn": torch.long, "last": torch.long, "solved": torch.long, "failed": torch.long}
RUNNING = {"answers": torch.double, "passes": torch.double}
FIELDS = {**COUNTS, **RUNNING}


class PassRecord:
    """Draws and passes so far of each problem of the train split. Equal on all processes.

    Args:
        problems: the n problems.

    Attributes:
        kept: `[n]`, the index of each in the problems given; all of them until `keep_only`.
        decay: factor on the counts of earlier answers at each new draw, in [0, 1], since the policy changes.
        drawn: `[n]`, draws so far.
        last: `[n]`, the number of the latest batch in which it was drawn, -1 for none.
        solved, failed: `[n]`, consecutive draws up to the latest that count as solved and as failed for the sampler.
        answers, passes: `[n]`, double: scored answers, and passing ones, of all draws; at each draw the earlier ones
            are multiplied by `decay`.
    """

    drawn: Tensor
    last: Tensor
    solved: Tensor
    failed: Tensor
    answers: Tensor
    passes: Tensor

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = problems
        self.kept = torch.arange(len(problems))
        self.decay = 0.5
        self._places: dict[str, int] | None = None
        self._labels: tuple[list[str], Tensor] | None = None
        self._whole = len(problems)
        for name in FIELDS:
            setattr(self, name, _blank(name, len(problems)))

    def __len__(self) -> int:
        return len(self.drawn)

    # -- reading ------------------------------------------------------------------------------------

    @property
    def rates(self) -> Tensor:
        """The pass rate of each problem, in (0, 1): (passes + m) / (answers + 1), with m the mean rate of its set.

        m = (passes + 1/2) / (answers + 1) over the set, which is also the rate of a problem without an answer.
        -> [n] double
        """
        names, labels = self.labels
        of_sets = [torch.zeros(len(names)).double().index_add(0, labels, each) for each in (self.passes, self.answers)]
        means = (of_sets[0] + 0.5) / (of_sets[1] + 1)
        return (self.passes + means[labels]) / (self.answers + 1)

    @property
    def labels(self) -> tuple[list[str], Tensor]:
        """The sets' names, and the index of each problem's set.  [n]"""
        if self._labels is None:
            names = sorted({problem.label for problem in self.problems})
            numbers = {name: number for number, name in enumerate(names)}
            self._labels = names, torch.tensor([numbers[problem.label] for problem in self.problems])
        return self._labels

    def place(self, problem: Problem) -> int:
        """The problem's index in the train split; KeyError if it is not in it."""
        if self._places is None:
            self._places = {problem.key: place for place, problem in enumerate(self.problems)}
        return self._places[problem.key]

    # -- updates ------------------------------------------------------------------------------------

    def update(
        self,
        batch: int,
        outcomes: Mapping[int, tuple[int, int]],
        solved_at: float,
        failed_at: float,
        aside: Collection[int] = (),
    ) -> None:
        """Count the outcomes of one batch.

        Args:
            batch: its number, from 0.
            outcomes: by each drawn problem's index, its scored answers and its passing ones, over all processes.
            solved_at: a draw with at least this pass rate is solved.
            failed_at: a draw with at most this pass rate is failed.
            aside: indices of drawn problems whose answers do not count for their pass rates.
        """
        if aside:
            places = torch.tensor(sorted(aside))
            self.drawn[places] += 1
            self.last[places] = batch
        if not outcomes:
            return
        places = torch.tensor(sorted(outcomes))
        answers, passes = torch.tensor([outcomes[place] for place in places.tolist()]).double().unbind(-1)
        self.drawn[places] += 1
        self.last[places] = batch
        self.answers[places] = self.decay * self.answers[places] + answers
        self.passes[places] = self.decay * self.passes[places] + passes
        rates = passes / answers  # not solved_at * answers: 0.55 * 100 is above 55
        for name, hit in {"solved": rates >= solved_at, "failed": rates <= failed_at}.items():
            rows = getattr(self, name)
            rows[places] = torch.where(answers == 0, rows[places], torch.where(hit, rows[places] + 1, 0))

    def keep_only(self, problems: Sequence[Problem], places: Tensor) -> None:
        """Restrict the record to these problems, at these indices."""
        for name in FIELDS:
            setattr(self, name, getattr(self, name)[places])
        self.kept = self.kept[places]
        self.problems, self._places, self._labels = problems, None, None

    # -- the file -----------------------------------------------------------------------------------

    def write(self, path: Path) -> None:
        """Write a line of JSON for each drawn problem, in the order of the train split."""
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line, ensure_ascii=False)}\n" for line in self._lines())

    def _lines(self) -> Iterator[dict[str, Any]]:
        rates = self.rates
        for place in self.drawn.nonzero()[:, 0].tolist():
            problem = self.problems[place]
            yield {
                "id": id_of(problem),
                "set": problem.label,
                **({"origin": problem.origin} if problem.origin else {}),
                "problem": problem.key[:SHOWN],
                "rate": round(rates[place].item(), 6),
                **{name: getattr(self, name)[place].item() for name in FIELDS},
            }

    def read(self, path: Path) -> int:
        """Start with the counts of another run's file; returns the number of these problems that it has.

        Batches are counted from 0 again: `last` is set to -1.

        Of several lines for one problem the last one counts.

        Raises:
            ValueError: an invalid line, or no line for a problem of the train split.
        """
        places, found, number = {id_of(problem): place for place, problem in enumerate(self.problems)}, set[int](), 0
        with path.open(encoding="utf-8", errors="replace") as file:  # what is no text is no JSON either
            for number, text in enumerate(file, 1):
                line = _parsed(text, f"{path}, line {number}")
                place = places.get(line["id"])
                if place is not None:
                    found.add(place)
                    for name in FIELDS:
                        getattr(self, name)[place] = -1 if name == "last" else line[name]
        if not found:
            raise ValueError(f"{path}: none of its {number} problems is among the {len(self)} of the train split")
        return len(found)

    # -- checkpoints --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """The counts of all problems given: a resumed run may keep others of them."""
        return {name: _blank(name, self._whole).index_copy(0, self.kept, getattr(self, name)) for name in FIELDS}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, dtype in FIELDS.items():
            value = state.get(name)
            if not isinstance(value, Tensor) or value.shape != (self._whole,) or value.dtype != dtype:
                raise CheckpointError(f"the checkpoint is damaged: the record's {name} is {value!r:.80}")
            setattr(self, name, value[self.kept])


LARGEST = 2**53
"""The bound of numbers in the file."""


def _blank(name: str, number: int) -> Tensor:
    """A field of so many problems that were never drawn.  [number]"""
    return torch.full((number,), -1 if name == "last" else 0, dtype=FIELDS[name])


SHOWN = 80
"""Characters of a problem's text in the file; its `id` is a digest of the whole text."""


def id_of(problem: Problem) -> str:
    """A digest of the problem's identity."""
    return blake2b(problem.key.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _parsed(text: str, where: str) -> dict[str, Any]:
    """The values of a line of the file; ValueError if it is invalid."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, lists in lists in lists
        raise ValueError(f"{where} is no JSON ({getattr(error, 'msg', error)})") from None
    if not isinstance(line, dict) or not isinstance(line.get("id"), str):
        raise ValueError(f"{where} has no id: {text.strip()!r:.60}")
    for name in FIELDS:
        value: Any = line.get(name)
        least = -1 if name == "last" else 0
        known = isinstance(value, int | float) and not isinstance(value, bool) and least <= value < LARGEST
        if not known or (name in COUNTS and value != int(value)):
            kind = "a whole number" if name in COUNTS else "a number"
            raise ValueError(f"{where}: {name}={value!r:.60} must be {kind} in [{least}, 2^53)")
    if line["passes"] > line["answers"]:
        raise ValueError(f"{where}: passes={line['passes']} must be at most answers={line['answers']}")
    return line
