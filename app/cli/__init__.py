"""The command line: `passk fit`, `validate`, `test`, `predict` and `diagnose`."""

from app.cli.command import LOST, SUBCOMMANDS, main, one_line, quiet, run

__all__ = ["LOST", "SUBCOMMANDS", "main", "one_line", "quiet", "run"]
