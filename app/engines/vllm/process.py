"""Starts and ends a `vllm serve` process, which also ends by itself if the trainer ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from app.distributed.processes import environment_outside
from app.engines.base import EngineError

ENDING = 10.0
"""Time limit for a server to end, before it is killed, in seconds."""

HOST = "127.0.0.1"
"""The address on which a started server listens; local, since the weight-transfer routes have no authentication."""


class ServerProcess:
    """One `vllm serve` process.

    Args:
        arguments: arguments of `vllm serve`, by their names in Python.
        environment: additional environment variables, such as CUDA_VISIBLE_DEVICES.
        prepare: writes a model's folder without weights.
    """

    def __init__(self, arguments: dict[str, Any], environment: dict[str, str], prepare: Callable[[Path], None]) -> None:
        self.arguments, self.environment = arguments, environment
        self.folder = Path(tempfile.mkdtemp(prefix="passk-vllm-"))
        self.log = self.folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.url, self.ready = "", False
        prepare(self.folder / "model")

    def start(self, is_healthy: Callable[[str], bool], timeout: float) -> None:
        """Start, and wait until it is ready.

        Raises:
            EngineError: it does not start; with the cause from its log.
        """
        port = self.arguments.get("port") or free_port()
        check_port(port)
        self.url, self.ready = f"http://{HOST}:{port}", False
        rest = {**self.arguments, "host": HOST, "port": port}
        command = [sys.executable, "-m", "app.engines.vllm.serve", str(os.getpid()), str(self.folder)]
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*command, str(self.folder / "model"), *flags(rest)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C must not reach it
                env={**environment(), **self.environment},
            )
        began = monotonic()
        while not is_healthy(self.url):
            if self.process.poll() is not None:
                why = cause(self.log.read_text(encoding="utf-8", errors="replace"))
                raise EngineError(f"the vLLM server would not start: {why} (all it said: {self.log})")
            if monotonic() - began > timeout:
                raise EngineError(f"the vLLM server was not ready in timeout={timeout:g} s (what it said: {self.log})")
            sleep(0.2)
        self.ready = True

    def stop(self) -> None:
        """End the process and its child processes."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(ENDING)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def close(self) -> None:
        """End the process and remove its files; the log of a server that did not start stays."""
        self.stop()
        if self.ready or not self.log.exists():
            shutil.rmtree(self.folder, ignore_errors=True)


def environment() -> dict[str, str]:
    """The environment of a server: this process's module path, and the setting that enables the weight routes."""
    places = os.pathsep.join(place or os.getcwd() for place in sys.path)
    own = {"PYTHONPATH": places, "PYTHONSAFEPATH": "1", "VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1"}
    return {**environment_outside(), **own}


def flags(arguments: dict[str, Any]) -> Iterator[str]:
    """Command-line arguments of `vllm serve` from arguments in Python's names; None leaves the default."""
    for name, value in arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
        elif value is not None:
            yield f"--{option}={json.dumps(value) if isinstance(value, dict | list) else value}"


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def check_port(port: int) -> None:
    """Raise EngineError if the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise EngineError(f"the vLLM server can't have port={port}: {error.strerror}") from error


def cause(log: str) -> str:
    """The cause of a server's end: the last error in its log that is specific."""
    errors = re.findall(r"(?:\w+(?:Error|Exception):|Value error,) .+", log)
    telling = [error for error in errors if "See root cause above" not in error]
    lines = [line for line in log.splitlines() if line.strip()]
    return (telling or errors or lines or ["it said nothing"])[-1]
