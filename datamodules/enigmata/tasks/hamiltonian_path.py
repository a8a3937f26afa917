"""Hamiltonian path: a trip through all vertices of a graph, or that there is none."""

from __future__ import annotations

from datamodules.enigmata.tasks.hamilton import Hamiltonian


class HamiltonianPath(Hamiltonian):
    """An answer names every vertex once; the trip may begin and end anywhere."""

    name = "hamiltonian_path"
    closed = False
    route = "path"


TASK = HamiltonianPath()
