"""Checkpoints and exports, logs that a resumed run continues, and signals that end a run."""
