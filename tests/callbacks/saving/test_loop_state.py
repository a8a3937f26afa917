"""Lightning's counters between two iterations: the same however and how often they are taken down."""

from __future__ import annotations

from typing import Any

import pytest

from callbacks.saving.loop_state import at_rest, is_due


def loops(batch: int, last: bool, epoch: int = 1, total: int = 7) -> dict[str, Any]:
    """As they stand in `on_train_batch_end`, where Lightning has not yet counted the batch as completed."""

    def counted(finished: int, begun: int) -> dict[str, int]:
        return {"ready": begun, "started": begun, "processed": finished, "completed": finished - 1}

    return {
        "epoch_loop.batch_progress": {
            "total": counted(total, total), "current": counted(batch, batch), "is_last_batch": last,
        },
        "epoch_progress": {name: counted(epoch, epoch + 1) for name in ("total", "current")},
        "epoch_loop.val_loop.batch_progress": {"total": counted(5, 5), "current": counted(5, 5), "is_last_batch": True},
        "epoch_loop.state_dict": {"_batches_that_stepped": 7},
    }  # fmt: skip


@pytest.mark.parametrize("due", [True, False])
@pytest.mark.parametrize("last", [True, False])
def test_taken_down_again_it_is_the_same(last: bool, due: bool) -> None:
    once = at_rest(loops(3, last), due)
    assert is_due(once) is due
    assert at_rest(once, due) == once


def test_an_epoch_that_has_ended_is_behind() -> None:
    at_end = at_rest(loops(4, last=True), validation_due=False)
    assert at_end["epoch_loop.batch_progress"]["current"]["processed"] == 0
    assert at_end["epoch_progress"]["current"] == {"ready": 2, "started": 2, "processed": 2, "completed": 2}


@pytest.mark.parametrize(("last", "due"), [(False, False), (False, True), (True, True)])
def test_one_that_goes_on_or_is_to_be_validated_is_open(last: bool, due: bool) -> None:
    open_ = at_rest(loops(3, last), due)
    assert open_["epoch_loop.batch_progress"]["current"]["completed"] == 3
    assert open_["epoch_loop.batch_progress"]["total"]["completed"] == 7
    assert open_["epoch_progress"]["current"] == {"ready": 2, "started": 2, "processed": 1, "completed": 1}


def test_what_was_taken_down_stays_as_it_was() -> None:
    before = loops(3, last=True)
    at_rest(before, validation_due=False)
    assert before == loops(3, last=True)
