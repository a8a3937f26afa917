"""The state of Lightning's loops between two iterations, from which a checkpoint resumes.

A checkpoint may be saved at any moment, during a validation or after an iteration's rollouts are sampled. It always
holds the state after the last complete iteration. Lightning's own counters restart differently at the end of an epoch,
before and after a validation, and in a run that was resumed before; written as here they always restart alike.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Loops = dict[str, Any]
"""The state of Lightning's fit loop, as `state_dict()` gives it."""


def at_rest(loops: Loops, validation_due: bool) -> Loops:
    """The loops' state between two iterations, from their state at the end of the batch.

    Args:
        loops: taken in `on_train_batch_end`, or given by this function.
        validation_due: whether the validation after this iteration has not been run; a resumed run then begins
            with it.
    """
    loops = deepcopy(loops)
    batches, epochs = loops["epoch_loop.batch_progress"], loops["epoch_progress"]
    finished, in_epoch = batches["total"]["processed"], batches["current"]["processed"]
    epoch, at_the_end = epochs["current"]["processed"], batches["is_last_batch"]
    if at_the_end and not validation_due:
        epoch, in_epoch, at_the_end = epoch + 1, 0, False
    begun = in_epoch > 0
    loops["epoch_loop.batch_progress"] = {
        "total": _counted(finished),
        "current": _counted(in_epoch),
        "is_last_batch": at_the_end,
    }
    loops["epoch_progress"] = {name: _counted(epoch, epoch + begun) for name in ("total", "current")}
    loops["epoch_loop.val_loop.batch_progress"] = {
        "total": _counted(0, int(validation_due)),
        "current": _counted(0, int(validation_due)),
        "is_last_batch": False,
    }
    return loops


def is_due(loops: Loops) -> bool:
    """Whether the loops' state was written with `validation_due`."""
    return loops["epoch_loop.val_loop.batch_progress"]["total"]["started"] > 0


def _counted(finished: int, begun: int | None = None) -> dict[str, int]:
    """One of Lightning's counters: how many have finished and how many have begun; None: as many."""
    begun = finished if begun is None else begun
    return {"ready": begun, "started": begun, "processed": finished, "completed": finished}
