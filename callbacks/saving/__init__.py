"""Checkpoints, exports, and logs that a resumed run goes on with; signals that end a run."""
