"""The signals that end a run early, kept until it can stop without losing anything."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Trainer


class Signals:
    """SIGTERM, and under SLURM the one that announces the end of a job's time and has it put in the queue again.

    Lightning acts on both within the signal's handler, which may run in the middle of an optimizer step. Here they are
    noted, and Lightning's handler of SLURM's signal, which saves and requeues, is run when the state is whole.
    """

    def __init__(self) -> None:
        self.noted: int | None = None
        self.requeues: int | None = None
        self.requeue: Any = None  # Lightning's handler

    def listen(self, trainer: Trainer) -> None:
        """Put the notes in the places of Lightning's handlers, which the Trainer takes away again at its end."""
        if threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGTERM, self.note)
        environment = trainer._accelerator_connector.cluster_environment
        if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
            self.requeues = environment.requeue_signal or signal.SIGUSR1
            self.requeue = signal.signal(self.requeues, self.note)

    def note(self, signum: int, frame: FrameType | None) -> None:
        self.noted = signum

    def stop(self, trainer: Trainer) -> bool:
        """Was any process told to stop? To be asked by all together."""
        return trainer.strategy.reduce_boolean_decision(self.noted is not None, all=False)

    def put_in_queue(self, trainer: Trainer) -> None:
        """Run Lightning's handler on all processes where SLURM's signal has reached any."""
        asked = self.requeues is not None and self.noted == self.requeues
        if trainer.strategy.reduce_boolean_decision(asked, all=False):
            self.requeue(self.requeues, None)
