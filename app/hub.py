"""Checks once whether the hub is reachable: its libraries retry for most of a minute before they raise."""

from __future__ import annotations

import logging
import socket
import sys
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants

from app.distributed.processes import rank

log = logging.getLogger(__name__)

SECONDS = 3.0
"""Time limit of a connection, in seconds."""


def offline_where_unreachable() -> None:
    """If the hub is unreachable, make its libraries use only cached files from now on.

    Nothing is checked if a proxy is configured: a direct connection would say nothing about it.
    """
    if constants.HF_HUB_OFFLINE or getproxies():
        return
    address = urlsplit(constants.ENDPOINT)
    try:
        place = str(address.hostname), address.port or socket.getservbyname(address.scheme)
        socket.create_connection(place, timeout=SECONDS).close()
    except OSError as error:
        constants.HF_HUB_OFFLINE = True
        if "datasets" in sys.modules:
            sys.modules["datasets"].config.HF_HUB_OFFLINE = True
        if rank() == 0:
            log.warning("%s can't be reached (%s): only what is cached is read", constants.ENDPOINT, error)
