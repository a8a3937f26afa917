"""Finds the checkpoint to resume from, and checks that the configuration can be resumed with it.

Lightning's command line would merge a checkpoint's hyperparameters into the configuration. Here the user's
configuration is used, and settings that cannot be changed on resuming are errors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from lightning.pytorch.utilities import rank_zero_only

from app.storage.checkpoint import CheckpointError, count_of, read_checkpoint, restoring
from app.storage.files import recover
from app.storage.places import Place, last_checkpoint

log = logging.getLogger(__name__)

Config: TypeAlias = dict[str, Any]
"""The configuration of a run, as plain data."""
Change: TypeAlias = tuple[str, Any, Any]
"""A dotted name, the old value and the new one."""

FIXED = ("data.", "chat.", "model.policy.", "model.optimizer.class_path", "rollout.rollouts")
"""Settings that cannot be changed on resuming, besides those of finished stages."""
FREE = {
    *("data.cache_dir", "data.batch_size", "data.eval_batch_size", "chat.few_shot"),
    *("model.policy.path", "model.policy.gguf_file"),
    *("model.policy.gradient_checkpointing", "model.policy.head_tokens"),
}
"""Exceptions among these, which may change: paths, batch sizes and memory settings."""
PLACES = ("train", "validation", "test", "source", "folder")
"""Arguments of data, besides those whose name ends in "path", that say where problems are read from.

They may change if the checkpoint has the problems' fingerprints, which the data module compares when it is restored.
The `cache_dir` of one of several data modules may change too.
"""
NAMED = ("last", "best")
"""Values of `ckpt_path` that are no paths; `best.ckpt` is the default file of `BestCheckpoints`."""
CHECKPOINTS = ("*.ckpt", "checkpoints/*.ckpt", "stages/*/*.ckpt")
"""Where a folder given as `ckpt_path` may have checkpoints besides its last one, for the error message."""
NOT_OF_THE_RUN = ("config", "ckpt_path", "auto_resume", "weights_only", "verbose", "schedule")


# -- finding a checkpoint -----------------------------------------------------------------------------


def source_of(ckpt_path: str | Path | None, auto_resume: bool, place: Place) -> Path | None:
    """The checkpoint that a command requests; None if it requests none, or `auto_resume` finds none.

    Args:
        ckpt_path: a file, a run folder for its last checkpoint, or "last" or "best" for that of the newest run that
            has one.
        auto_resume: like "last", but if there is none, this is logged and None is returned.
        place: the location of the runs.

    Raises:
        CheckpointError: nothing is found for "last" or "best", or a folder has no last checkpoint.
        ValueError: both `ckpt_path` and `auto_resume` are given.
    """
    if auto_resume and ckpt_path:
        raise ValueError(f"auto_resume=true finds its own checkpoint: leave out ckpt_path={ckpt_path}")
    if not auto_resume and ckpt_path not in NAMED:
        path = Path(ckpt_path) if ckpt_path else None
        if path is None or not path.is_dir():
            return path
        if recover(last_checkpoint(path)):
            return last_checkpoint(path)
        inside = [str(each) for pattern in CHECKPOINTS for each in sorted(path.glob(pattern))]
        others = f": give one of {', '.join(inside)}" if inside else ""
        raise CheckpointError(f"ckpt_path={path}: the folder has no checkpoints/last.ckpt{others}")
    name = f"{'last' if auto_resume else ckpt_path}.ckpt"
    found = next((each for each in _named(name, place, place.versions) if recover(each)), None)
    if found is None:
        none = f"no run with a {name} in {place.root if place.given is None else place.folder(place.given)}"
        named = [
            each for each, path in zip(place.others, _named(name, place, place.others), strict=True) if path.exists()
        ]
        none += f" (of {named[0]} there is one: give it as the logger's version)" if named else ""
        if not auto_resume:
            raise CheckpointError(f"ckpt_path={ckpt_path}: {none}")
        rank_zero_only(log.info)("auto_resume: %s: starting anew", none)
    return found


def version_of(path: Path | None, place: Place) -> str | None:
    """The version of the run whose last checkpoint this is; None if it belongs to no run in `place`."""
    if path is None or not path.exists():
        return None
    versions = [*place.versions, *place.others]
    lasts = zip(versions, _named("last.ckpt", place, versions), strict=True)
    return next((version for version, last in lasts if last.exists() and last.samefile(path)), None)


def _named(name: str, place: Place, versions: Iterable[str]) -> Iterator[Path]:
    return (last_checkpoint(place.folder(version)).with_name(name) for version in versions)


def check_source(path: Path | None, config: Config) -> list[Change]:
    """Log the checkpoint and the changed settings; CheckpointError if the run cannot resume from it.

    config: the run's configuration; empty for a command that only evaluates.
    """
    if path is None:
        return []
    found = read_checkpoint(path, lazily=True)
    say = rank_zero_only(log.info)
    if not config:
        say("the weights of %s, iteration %s", path, found.get("iteration"))
        return []
    with restoring(path):
        iteration = count_of(found, "iteration")
        stage = count_of(found.get("callbacks", {}).get("StageSchedule", {"index": 0}), "index")
        changes = check_resumable(found.get("config", {}), config, stage, has_fingerprints(found))
    say("going on from %s: weights, optimizer, iteration %d, stage %d are its own", path, iteration, stage + 1)
    if changes:
        say("changed since then: %s", described(changes))
    return changes


# -- comparing configurations -------------------------------------------------------------------------


def check_resumable(theirs: Config, mine: Config, stage: int, movable: bool = False) -> list[Change]:
    """The changed settings; CheckpointError if the run cannot resume with one of them.

    Args:
        theirs: the checkpoint's configuration.
        mine: the run's configuration.
        stage: the checkpoint's stage, counted from 0.
        movable: whether paths of data may change; the data module checks that the problems are the same.
    """
    changes = [change for key in theirs if key in mine for change in _section(key, theirs[key], mine[key])]
    for name, was, now in changes:
        if name.startswith(FIXED) and name not in FREE and not (movable and _moved(name, was, now)):
            raise CheckpointError(f"the run can't go on with {name}={_short(now)}: it has {_short(was)}")
    their_stages, my_stages = (unrolled(each.get("schedule", {}).get("stages", [])) for each in (theirs, mine))
    return [*changes, *_check_stages(their_stages, my_stages, stage)]


def has_fingerprints(checkpoint: Config) -> bool:
    """Whether a checkpoint has the fingerprints of its data module's problems."""
    data = checkpoint.get("config", {}).get("data", {})
    name = str(data.get("class_path", "") if isinstance(data, dict) else "").rpartition(".")[2]
    state = checkpoint.get(name)
    return isinstance(state, dict) and isinstance(state.get("problems"), dict)


def _moved(name: str, was: Any, now: Any) -> bool:
    """Whether a value of data differs only in where problems are read from."""
    if not name.startswith("data."):
        return False
    if isinstance(was, dict) and isinstance(now, dict) and was.keys() == now.keys():
        return all(was[key] == now[key] or _moved(f"{name}.{key}", was[key], now[key]) for key in was)
    last = name.rpartition(".")[2]
    place = last in PLACES or (last.endswith("path") and last != "class_path")
    return last == "cache_dir" or (place and isinstance(was, str) and isinstance(now, str))


def _section(key: str, theirs: Any, mine: Any) -> Iterator[Change]:
    found = iter(()) if key in NOT_OF_THE_RUN else differences(theirs, mine, key)
    return (change for change in found if not change[0].startswith("trainer.logger"))  # may always change


def _check_stages(theirs: list[Config], mine: list[Config], current: int) -> list[Change]:
    """The changes in the current and later stages; CheckpointError for a change in a finished stage."""
    if len(mine) <= current:
        raise CheckpointError(f"the run is in stage {current + 1}, the schedule has {len(mine)}")
    changes: list[Change] = [("the number of stages", len(theirs), len(mine))] if len(theirs) != len(mine) else []
    for index, (their, my) in enumerate(zip(theirs, mine, strict=False)):
        own = list(differences(their, my, f"stage {index + 1}"))
        fixed = [change for change in own if index < current or (index == current and _is_n(change[0]))]
        for name, was, now in fixed:
            where = "has been through it" if index < current else "is in it"
            raise CheckpointError(f"the run can't go on with {name}={_short(now)}: it {where} with {_short(was)}")
        changes += own
    return changes


def _is_n(name: str) -> bool:
    """Whether a stage's setting is N, or its values over iterations."""
    return name.endswith(".rollouts") or ".knobs.rollouts" in name


def unrolled(parts: list[Config]) -> list[Config]:
    """The stages in order, with rounds expanded."""
    return [stage for part in parts for stage in (part["stages"] * part["repeat"] if "repeat" in part else [part])]


def differences(theirs: Any, mine: Any, name: str, arguments: bool = True) -> Iterator[Change]:
    """Values that differ, by dotted name.

    An argument that exists only in one of two versions of passk is no difference; a key of a mapping that is itself a
    value, such as the number of problems of each size, is one.
    """
    if arguments and isinstance(theirs, dict) and isinstance(mine, dict):
        if theirs.get("class_path") != mine.get("class_path"):
            yield f"{name}.class_path", theirs.get("class_path"), mine.get("class_path")
            return
        for key in theirs:
            if key in mine:
                yield from differences(
                    theirs[key], mine[key], f"{name}.{key}", key == "init_args" or _is_class(mine[key])
                )
    elif isinstance(theirs, list) and isinstance(mine, list) and len(theirs) == len(mine):
        for index, pair in enumerate(zip(theirs, mine, strict=True)):
            yield from differences(*pair, f"{name}.{index}", _is_class(pair[1]))
    elif theirs != mine:
        yield name.replace(".init_args.", "."), theirs, mine


def _is_class(value: Any) -> bool:
    return isinstance(value, dict) and "class_path" in value


def described(changes: list[Change]) -> str:
    """The changes in one line."""
    return ", ".join(f"{name} is {_short(now)} and was {_short(was)}" for name, was, now in changes)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
