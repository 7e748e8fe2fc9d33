"""The certificate that the mail doors show: read again on SIGHUP and when its files change, without an interruption."""

import logging
import ssl
import threading
from pathlib import Path

from infra.operator_errors import OperatorError
from infra.settings import Settings

LOOK_S = 10.0
"""How often somebody looks whether the files have changed."""
_log = logging.getLogger(__name__)

_Version = tuple[tuple[int, int, int], ...]


class Certificate:
    """One process's certificate. `context` stays the same; each handshake with it shows what was read last."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises: OperatorError, where the files cannot be used."""
        self._chain = chain
        self._key = key
        self._lock = threading.Lock()
        self._read = self._version()
        self.context = self._current = self._loaded()
        self.context.sni_callback = self._show_current

    def read_again(self) -> None:
        """Show from now on what lies in the files; what cannot be used is logged, and the one before stays."""
        with self._lock:
            self._read = self._version()
            try:
                self._current = self._loaded()
            except OperatorError as error:
                _log.error("the certificate stays as it was: %s", error)
            else:
                _log.info("the certificate was read again")

    def look_after(self, stop: threading.Event) -> None:
        """Read the files again whenever they have changed, until `stop`."""
        while not stop.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Read the files again if they have changed since they were read last."""
        if self._version() != self._read:
            self.read_again()

    def _show_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._chain, self._key)
        except (ssl.SSLError, OSError) as error:
            raise OperatorError(f"LEDGERMAIL_TLS_CERT and LEDGERMAIL_TLS_KEY cannot be used: {error}") from error
        return context

    def _version(self) -> _Version:
        """What changes when a file is written or replaced; nothing for one that is not there."""
        return tuple(found for path in (self._chain, self._key) if (found := _stamp(path)) is not None)


def certificate(settings: Settings) -> Certificate | None:
    """What the settings name; None where they name none.

    Raises: OperatorError, where the files cannot be used.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_cert, settings.tls_key)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What TLS is spoken with as the files are now; None where no certificate is set.

    Raises: OperatorError, where the files cannot be used.
    """
    found = certificate(settings)
    return None if found is None else found.context


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
