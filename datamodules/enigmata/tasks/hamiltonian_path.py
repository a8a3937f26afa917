"""Hamiltonian path: find a route through all vertices of a graph, or answer that there is none."""

from __future__ import annotations

from datamodules.enigmata.tasks.hamilton import Hamiltonian


class HamiltonianPath(Hamiltonian):
    """An answer has every vertex once; the route may begin and end anywhere."""

    name = "hamiltonian_path"
    closed = False
    route = "path"


TASK = HamiltonianPath()
