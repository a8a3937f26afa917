"""A problem whose scorer misbehaves on request; on its own, because a worker imports it again each time it is ended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from app.types import Problem

SLEEP = ("sleep", f"863{int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:]):02d}.5")
"""What scorers leave behind; of another number in each of pytest-xdist's processes, which count what they see."""


class SpeechlessError(Exception):
    """An error that can't be printed."""

    def __str__(self) -> str:
        raise RuntimeError("not now")


class Opinion(float):
    """A number that can't be compared."""

    def __ge__(self, other: object) -> bool:
        raise ArithmeticError("no")

    __le__ = __ge__


def settings() -> str:
    """The working folder, torch's defaults and the handler of SIGTERM."""
    import torch

    defaults = (torch.get_default_dtype(), torch.is_grad_enabled())
    return f"{os.getcwd()} {defaults} {signal.getsignal(signal.SIGTERM) is signal.SIG_IGN}"


@dataclass(frozen=True)
class Plain(Problem):
    """Passes whoever says the prompt again."""

    prompt: str
    solution: str = ""
    label: str = "plain"

    @property
    def key(self) -> str:
        return self.prompt

    def score(self, response: str) -> float:
        return float(response == self.prompt)


@dataclass(frozen=True)
class Misbehaving(Problem):
    """Does what it is told in the answer, otherwise passes "yes"."""

    prompt: str = "?"
    key: str = "?"
    solution: str = "yes"
    label: str = "misbehaving"

    def score(self, response: str) -> float:
        said: dict[str, Any] = {"word": "great", "nothing": None, "nan": float("nan"), "two": 2, "minus": -0.5}
        said |= {"list": [1.0], "inf": float("inf"), "true": True, "half": 0.5, "one": 1, "odd": Opinion(1)}
        if response in said:
            return said[response]
        return getattr(self, response, lambda: float(response == "yes"))()

    def of_numpy(self) -> Any:
        from numpy import bool_

        return bool_(True)

    def batch(self) -> Any:
        from numpy import ones

        return ones(2)

    def where(self) -> float:
        """Tell the settings of the process in the extracted answer."""
        return 1.0

    def extract_answer(self, response: str) -> Any:
        if response == "where":
            return settings()
        if response == "extracts by raising":
            raise ZeroDivisionError("by\nzero")
        if response == "extracts for ever":
            return self.hangs()
        said: dict[str, Any] = {"nothing": None, "text": "5", "a number": 5, "half a pair": "\ud800"}
        said |= {"the longest": "\N{GRINNING FACE}" * 200}
        return said.get(response.removeprefix("extracts "), super().extract_answer(response))

    def raises(self) -> float:
        raise ZeroDivisionError("by\nzero")

    def exits(self) -> float:
        sys.exit(3)

    def recurses(self) -> float:
        return self.recurses() + 1

    def hangs(self) -> float:
        while True:
            time.sleep(60)

    def backtracks(self) -> float:
        return float(re.fullmatch(r"(a|a|b?)+\1c", "a" * 64) is not None)

    def crashes(self) -> float:
        os.kill(os.getpid(), signal.SIGSEGV)
        return 1.0

    def leaves(self) -> float:
        os._exit(7)

    def meddles(self) -> float:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return self.hangs()

    def murders(self) -> float:
        os.killpg(os.getpgid(0), signal.SIGKILL)
        return 1.0

    def hoards(self) -> float:
        return float(len(bytearray(10**12)))

    def cancels(self) -> float:
        raise asyncio.CancelledError("by itself")

    def mumbles(self) -> float:
        raise SpeechlessError

    def paints(self) -> float:
        raise ValueError("\x1b[2J\x00\udcff" + "long " * 100_000)

    def closes(self) -> float:
        os.closerange(3, 1024)
        return 1.0

    def scribbles(self) -> float:
        for number in range(3, 64):
            with suppress(OSError):
                os.write(number, b'\xff[0, "ready"]\n[1, 0, 1.0, ""]')
        return 1.0

    def floods(self) -> float:
        for number in range(3, 64):
            with suppress(OSError):
                os.write(number, b"[" * 100_000)
        return 1.0

    def orphans(self) -> float:
        """Kill the process that watches."""
        os.kill(os.getppid(), signal.SIGKILL)
        return self.hangs()

    def forks(self) -> float:
        """Come back twice, with a pass from the child."""
        return float(os.fork() == 0)

    def daemonizes(self) -> float:
        """Come back from a grandchild in a session of its own."""
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        return 1.0

    def leaves_sleepers(self) -> float:
        """Leave processes behind: a child, one in a session of its own, and an orphan in one."""
        subprocess.Popen(SLEEP)
        subprocess.Popen(SLEEP, start_new_session=True)
        subprocess.run(["sh", "-c", f"setsid {' '.join(SLEEP)} &"], check=True)
        return 1.0

    def sleeps_and_hangs(self) -> float:
        self.leaves_sleepers()
        return self.hangs()

    def changes_modules(self) -> float:
        """Change what verdicts are made and sent with."""
        json.dumps = json.loads = lambda *_, **__: "changed"  # type: ignore[assignment]
        return 1.0

    def moves(self) -> float:
        """Change the working folder to one that is then removed."""
        with TemporaryDirectory() as folder:
            os.chdir(folder)
        return 1.0

    def resets(self) -> float:
        """Change torch's defaults and a signal's handler, and leave an alarm behind."""
        import torch

        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, lambda *_: self.raises())
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        return 1.0

    def prints(self) -> float:
        print("1.0 from the scorer")
        return 1.0
