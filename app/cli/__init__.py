"""The command line: `passk fit`, `validate`, `test`, `predict`, `diagnose` and `list`."""

from app.cli.front import main, run

__all__ = ["main", "run"]
