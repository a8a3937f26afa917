"""Hamiltonian cycle: a round trip through all vertices of a graph, or that there is none."""

from __future__ import annotations

from datamodules.enigmata.tasks.hamilton import Hamiltonian


class HamiltonianCycle(Hamiltonian):
    """An answer names the first vertex again at the end."""

    name = "hamiltonian_cycle"
    closed = True
    route = "cycle"


TASK = HamiltonianCycle()
