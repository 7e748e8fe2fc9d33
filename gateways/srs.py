"""The Sender Rewriting Scheme: a reverse-path of ours for what we forward, signed, that leads bounces back.

`SRS0=hash=day=domain=localpart@ours` (Wong, "SRS", 2004). A message that reaches us under somebody's `SRS0` becomes
`SRS1=hash=their-domain==rest@ours`, so that no address grows with every hop. Whoever has not our secret can make none,
so it opens no relay; an address is good for three weeks, which is longer than any server tries.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

from domain.addresses import MAX_LOCALPART_OCTETS, AddressInvalidError, EmailAddress

DAYS = 21
DAY_S = 86_400
_HASH_CHARS = 8
_DAY_CHARS = 2
_CYCLE = 1024
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_OURS = re.compile(r"srs([01])[=+-](.*)", re.IGNORECASE | re.DOTALL)


class Srs:
    """Writes such addresses and reads them; `secret` signs them, `domain` is whose they are."""

    def __init__(self, secret: bytes, domain: str, *, clock_s: Callable[[], float]) -> None:
        self._secret = secret
        self._domain = domain
        self._clock_s = clock_s

    def forward(self, sender: str) -> str:
        """The reverse-path under which mail of `sender` is forwarded.

        It is empty, the null one, where the sender is no address, or one too long to be written within the 64 octets
        of a localpart (RFC 5321 section 4.5.3.1.1): then its bounces come to nobody.
        """
        try:
            address = EmailAddress.parse(sender)
        except AddressInvalidError:
            return ""
        found = _OURS.fullmatch(address.localpart)
        rest = self._rest(address) if found is None else _passed_on(found[1], found[2], address.domain)
        kind = "SRS0" if found is None else "SRS1"
        localpart = f"{kind}={self._hash(kind, rest)}={rest}"
        if len(localpart.encode()) > MAX_LOCALPART_OCTETS:
            return ""
        try:
            return str(EmailAddress.parse(f"{localpart}@{self._domain}"))
        except AddressInvalidError:  # a localpart that needs quotes
            return ""

    def reverse(self, address: EmailAddress) -> EmailAddress | None:
        """Whom a bounce to this address is for; none where it was not made here, or too long ago."""
        found = _OURS.fullmatch(address.localpart)
        if found is None or address.domain != self._domain:
            return None
        kind = f"SRS{found[1]}"
        digest, _equals, rest = found[2].partition("=")
        if not hmac.compare_digest(digest.lower().encode(), self._hash(kind, rest).encode()):
            return None
        return self._unwrapped(kind, rest)

    def told(self, path: str) -> str:
        """Whom a notification about mail from this reverse-path is for: who stands behind one of ours, or itself."""
        try:
            found = self.reverse(EmailAddress.parse(path))
        except AddressInvalidError:
            return path
        return path if found is None else str(found)

    def _unwrapped(self, kind: str, rest: str) -> EmailAddress | None:
        try:
            if kind == "SRS1":
                domain, _equals, localpart = rest.partition("=")
                return EmailAddress.parse(f"SRS0{localpart}@{domain}")
            day, domain, localpart = rest.split("=", 2)
            return EmailAddress.parse(f"{localpart}@{domain}") if self._is_fresh(day) else None
        except (AddressInvalidError, ValueError):
            return None

    def _rest(self, address: EmailAddress) -> str:
        today = int(self._clock_s() // DAY_S) % _CYCLE
        return f"{_DIGITS[today >> 5]}{_DIGITS[today & 31]}={address.domain}={address.localpart}"

    def _is_fresh(self, day: str) -> bool:
        if len(day) != _DAY_CHARS or any(digit not in _DIGITS for digit in day.lower()):
            return False
        then = (_DIGITS.index(day[0].lower()) << 5) + _DIGITS.index(day[1].lower())
        return (int(self._clock_s() // DAY_S) - then) % _CYCLE <= DAYS

    def _hash(self, kind: str, rest: str) -> str:
        """40 bits over what is wrapped; servers on the way may change its case (RFC 5321 section 2.4)."""
        told = f"{kind}\0{rest}".lower().encode("utf-8", "surrogatepass")
        digest = hmac.new(self._secret, told, hashlib.sha256).digest()
        return base64.b32encode(digest)[:_HASH_CHARS].decode().lower()


def is_srs(address: EmailAddress) -> bool:
    """Whether it looks like such an address, of whomever."""
    return _OURS.fullmatch(address.localpart) is not None


def _passed_on(kind: str, rest: str, domain: str) -> str:
    """What is wrapped of somebody else's address: the first forwarder's domain, and what he wrote behind `SRS0`."""
    if kind == "1":
        _hash, _equals, inner = rest.partition("=")
        return inner
    return f"{domain}=={rest}"
