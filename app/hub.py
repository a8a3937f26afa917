"""The hub, asked once whether it is there: its libraries would try again for most of a minute before they say so."""

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
"""For a connection."""


def offline_where_unreachable() -> None:
    """Where the hub does not answer, have its libraries read what is cached and nothing else, from here on.

    Behind a proxy nothing is tried, since only the proxy knows.
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
