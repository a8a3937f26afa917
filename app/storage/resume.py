"""Which checkpoint a command goes on from, and whether its configuration can.

Lightning's command line would merge a checkpoint's hyperparameters over the configuration. Here the configuration
is the user's, and what of it can't be had with the checkpoint is refused.
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
"""Of a run, as plain data."""
Change: TypeAlias = tuple[str, Any, Any]
"""A dotted name, what it was and what it is."""

FIXED = ("data.", "chat.", "model.policy.", "model.optimizer.class_path", "rollout.rollouts")
"""What a run keeps from its beginning to its end, beside the stages it has been through."""
FREE = {
    *("data.cache_dir", "data.batch_size", "data.eval_batch_size", "chat.few_shot"),
    *("model.policy.path", "model.policy.gguf_file"),
    *("model.policy.gradient_checkpointing", "model.policy.head_tokens"),
}
"""What may change there all the same: where it lies, or how it is gone about."""
PLACES = ("train", "validation", "test", "source", "folder")
"""Arguments of data that say, as these do or by a name that ends in "path", where problems are read from.

They may change where the checkpoint has the problems' fingerprints, which the data module compares when it is restored.
A `cache_dir` of one of several data modules may change too.
"""
NOT_OF_THE_RUN = ("config", "ckpt_path", "auto_resume", "weights_only", "verbose", "schedule")


# -- finding it ---------------------------------------------------------------------------------------


def source_of(ckpt_path: str | Path | None, auto_resume: bool, place: Place) -> Path | None:
    """The checkpoint that a command asks for; None where it asks for none, or there is none to resume automatically.

    Args:
        ckpt_path: a path, or "last" for the last checkpoint of the newest run that has one.
        auto_resume: as "last", but for where there is none, which is said.
        place: where the runs lie.
    """
    if auto_resume and ckpt_path:
        raise ValueError(f"auto_resume=true finds its own checkpoint: leave out ckpt_path={ckpt_path}")
    if not auto_resume and ckpt_path != "last":
        return Path(ckpt_path) if ckpt_path else None
    found = next((last for last in _lasts(place, place.versions) if recover(last)), None)
    if found is None:
        none = f"no run with a last.ckpt in {place.root if place.given is None else place.folder(place.given)}"
        named = [name for name, last in zip(place.others, _lasts(place, place.others), strict=True) if last.exists()]
        none += f" (of {named[0]} there is one: give it as the logger's version)" if named else ""
        if not auto_resume:
            raise CheckpointError(f"ckpt_path=last: {none}")
        rank_zero_only(log.info)("auto_resume: %s: starting anew", none)
    return found


def version_of(path: Path | None, place: Place) -> str | None:
    """The version of the run whose last checkpoint this is; None where it is of none that lies there."""
    if path is None or not path.exists():
        return None
    versions = [*place.versions, *place.others]
    lasts = zip(versions, _lasts(place, versions), strict=True)
    return next((version for version, last in lasts if last.exists() and last.samefile(path)), None)


def _lasts(place: Place, versions: Iterable[str]) -> Iterator[Path]:
    return (last_checkpoint(place.folder(version)) for version in versions)


def check_source(path: Path | None, config: Config) -> list[Change]:
    """Say what a run goes on from, and what has changed since; CheckpointError for what can't be gone on from.

    config: to go on with; empty for a command that only evaluates.
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
    """What has changed since the checkpoint; CheckpointError where the run can't go on with it.

    Args:
        theirs: the checkpoint's configuration.
        mine: the one to go on with.
        stage: the number of the stage, from 0, that the checkpoint is in.
        movable: whether data may lie elsewhere: the data module will tell whether they are the same.
    """
    changes = [change for key in theirs if key in mine for change in _section(key, theirs[key], mine[key])]
    for name, was, now in changes:
        if name.startswith(FIXED) and name not in FREE and not (movable and _moved(name, was, now)):
            raise CheckpointError(f"the run can't go on with {name}={_short(now)}: it has {_short(was)}")
    their_stages, my_stages = (unrolled(each.get("schedule", {}).get("stages", [])) for each in (theirs, mine))
    return [*changes, *_check_stages(their_stages, my_stages, stage)]


def has_fingerprints(checkpoint: Config) -> bool:
    """Whether a checkpoint says which problems its data module had."""
    data = checkpoint.get("config", {}).get("data", {})
    name = str(data.get("class_path", "") if isinstance(data, dict) else "").rpartition(".")[2]
    state = checkpoint.get(name)
    return isinstance(state, dict) and isinstance(state.get("problems"), dict)


def _moved(name: str, was: Any, now: Any) -> bool:
    """Does a value of data differ in where problems are read from, and in nothing else?"""
    if not name.startswith("data."):
        return False
    if isinstance(was, dict) and isinstance(now, dict) and was.keys() == now.keys():
        return all(was[key] == now[key] or _moved(f"{name}.{key}", was[key], now[key]) for key in was)
    last = name.rpartition(".")[2]
    place = last in PLACES or (last.endswith("path") and last != "class_path")
    return last == "cache_dir" or (place and isinstance(was, str) and isinstance(now, str))


def _section(key: str, theirs: Any, mine: Any) -> Iterator[Change]:
    found = iter(()) if key in NOT_OF_THE_RUN else differences(theirs, mine, key)
    return (change for change in found if not change[0].startswith("trainer.logger"))  # where it is logged


def _check_stages(theirs: list[Config], mine: list[Config], current: int) -> list[Change]:
    """The changes in the stage the run is in and in those to come; CheckpointError for one in those it has left."""
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
    """Whether a stage's setting is N, or how N goes from iteration to iteration."""
    return name.endswith(".rollouts") or ".knobs.rollouts" in name


def unrolled(parts: list[Config]) -> list[Config]:
    """Stages one after another, rounds of them written out."""
    return [stage for part in parts for stage in (part["stages"] * part["repeat"] if "repeat" in part else [part])]


def differences(theirs: Any, mine: Any, name: str, arguments: bool = True) -> Iterator[Change]:
    """Values that differ, by their dotted names.

    An argument that only one of two versions of passk knows is no difference; a key in a mapping that is itself a
    value, such as how many problems of each size, is one.
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
