"""A problem whose scorer misbehaves on request; on its own, because a worker imports it again each time it is ended."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from app.types import Problem


class Opinion(float):
    """A number that can't be compared."""

    def __ge__(self, other: object) -> bool:
        raise ArithmeticError("no")

    __le__ = __ge__


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

    def prints(self) -> float:
        print("1.0 from the scorer")
        return 1.0
