"""What a terminal is left with where Ctrl-C ends a run."""

from __future__ import annotations

import os
import pty
import signal
from contextlib import suppress

import pytest

from callbacks.saving.signals import SHOW_CURSOR, Signals, StopAtOnce


@pytest.mark.parametrize("at_once", [False, True])
def test_the_cursor_is_back_before_a_second_ctrl_c_can_end_the_process(at_once: bool) -> None:
    """The second ends it by the signal itself, after which nothing can be written."""
    terminal, stderr = pty.openpty()
    handler, kept = signal.getsignal(signal.SIGINT), os.dup(2)
    signals = Signals()
    signals.at_once = at_once
    try:
        os.dup2(stderr, 2)
        if at_once:
            with pytest.raises(StopAtOnce):
                signals.note(signal.SIGINT, None)
        else:
            signals.note(signal.SIGINT, None)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        os.dup2(kept, 2)
        signal.signal(signal.SIGINT, handler)
        for handle in (kept, stderr):
            os.close(handle)
    shown = ""
    with suppress(OSError):  # at the end of what a closed pseudo terminal has shown
        while chunk := os.read(terminal, 1000):  # which may come in pieces
            shown += chunk.decode()
    os.close(terminal)
    assert SHOW_CURSOR in shown
    assert at_once or shown.endswith("without saving\r\n")
