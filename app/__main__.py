"""`python -m app` runs the command `passk`."""

import os
import sys
from contextlib import suppress

with suppress(FileNotFoundError):  # the working folder has been removed
    if sys.path[0] == os.getcwd() != os.path.dirname(os.path.dirname(os.path.realpath(__file__))):
        sys.path.append(sys.path.pop(0))  # the user's folder: last, so that its files hide no package

from app.cli import run

if __name__ == "__main__":
    run()
