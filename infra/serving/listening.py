"""A port that is still held: by what a killed supervisor left behind, which ends by itself within moments."""

import errno
import logging
import threading
import time

from infra.http_server import listening_socket
from infra.settings_readers import ListenAddress

PATIENCE_S = 5.0
_log = logging.getLogger(__name__)


def wait_until_free(address: ListenAddress, stop: threading.Event) -> None:
    """Return when nobody listens there, or after some seconds: whoever listens then says what is wrong."""
    if not _is_held(address):
        return
    _log.warning("somebody listens on %s: waiting a moment for it", address)
    deadline = time.monotonic() + PATIENCE_S
    while not stop.wait(0.2) and _is_held(address) and time.monotonic() < deadline:
        pass


def _is_held(address: ListenAddress) -> bool:
    try:
        listening_socket(address).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False
