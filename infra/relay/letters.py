"""The messages of parcels out of the blob store, signed with the keys of their authors' domains."""

import logging
import time
from collections.abc import Callable, Sequence

from gateways.authentication.authors import author_domains
from gateways.authentication.dkim_keys import ACTIVE, DkimKey, DkimKeys
from gateways.authentication.header_block import HeaderBlock
from gateways.authentication.signing import signatures
from gateways.blobs import Blobs
from gateways.mime.header_fields import body_offset
from gateways.relay.message import Letter
from gateways.relay.parcels import Parcel
from gateways.told_mail import ToldMail, read_told_mail

KEYS_S = 60.0
"""So long the keys of a domain are remembered: those made or rotated meanwhile sign a minute later."""
_log = logging.getLogger(__name__)


class SigningKeys:
    """The active keys of the domains served here."""

    def __init__(
        self, keys: DkimKeys, domains: frozenset[str], *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = keys
        self._domains = domains
        self._clock_s = clock_s
        self._known: dict[str, tuple[float, Sequence[DkimKey]]] = {}

    def of(self, domain: str) -> Sequence[DkimKey]:
        """Those of the domain; none where it is not ours or has none. Calls block."""
        if domain not in self._domains:
            return []
        until, keys = self._known.get(domain, (0.0, ()))
        if until <= self._clock_s():
            keys = [key for key in self._keys.of(domain) if key.state == ACTIVE]
            self._known[domain] = self._clock_s() + KEYS_S, keys
        return keys


class BlobLetters:
    """The port `gateways.relay.relay.Letters`; see there."""

    def __init__(self, blobs: Blobs, keys: SigningKeys, *, clock_s: Callable[[], float] = time.time) -> None:
        self._blobs = blobs
        self._keys = keys
        self._clock_s = clock_s

    def read(self, parcel: Parcel) -> Letter:
        """See `Letters.read`. Raises: BlobMissingError, MailAlteredError, OSError."""
        told = ToldMail(size_bytes=parcel.size_bytes if parcel.is_reported else None)
        raw = read_told_mail(self._blobs, parcel.blob, told)
        sign = self._signed if parcel.is_written_here else _unsigned
        return Letter(raw, sign, is_passed_on=parcel.is_passed_on)

    def _signed(self, raw: bytes) -> bytes:
        domains = author_domains(HeaderBlock(raw[: body_offset(raw, 0, len(raw))].removesuffix(b"\r\n")))
        keys = [key for domain in domains[:1] for key in self._keys.of(domain)]
        if not keys:
            return b""
        try:
            return signatures(raw, keys, signed_at_s=int(self._clock_s()))
        except ValueError as error:
            _log.warning("relay: a message is not signed: %s", error)
            return b""


def _unsigned(_raw: bytes) -> bytes:
    """What somebody else wrote stays his: whoever forged an address of ours in it shall not get our signature."""
    return b""
