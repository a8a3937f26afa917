"""Hamiltonian cycle: find a closed route through all vertices of a graph, or answer that there is none."""

from __future__ import annotations

from datamodules.enigmata.tasks.hamilton import Hamiltonian


class HamiltonianCycle(Hamiltonian):
    """An answer repeats the first vertex at the end."""

    name = "hamiltonian_cycle"
    closed = True
    route = "cycle"


TASK = HamiltonianCycle()
