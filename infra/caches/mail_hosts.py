"""Which hosts take a domain's mail (MX, RFC 5321 section 5.1), known for as long as the DNS says, at most a day."""

from typing import Protocol

import msgspec

from infra.caches.decoding import decoded
from infra.caches.installation import InstallationCache

LONGEST_S = 86_400
_KIND = "mx-1"


class MailHost(msgspec.Struct, frozen=True):
    """One MX record; the name is an A-label without a final dot, `.` alone in a null MX (RFC 7505)."""

    preference: int
    name: str


class MailHosts(msgspec.Struct, frozen=True):
    """What the DNS answered: nothing where it has no MX. `secure` where DNSSEC vouches for that (RFC 7672)."""

    hosts: tuple[MailHost, ...]
    secure: bool = False


class MxCache(Protocol):
    """By domain, in A-labels and lower case. Never fails."""

    def find(self, domain: str) -> MailHosts | None:
        """What the DNS answered, if that is still to be believed and known."""
        ...

    def keep(self, domain: str, answer: MailHosts, *, ttl_s: int) -> None:
        """Know it for as long as the records' least TTL, or less."""
        ...


class CachedMailHosts:
    """The port on a cache."""

    def __init__(self, cache: InstallationCache) -> None:
        self._cache = cache

    def find(self, domain: str) -> MailHosts | None:
        """What the DNS answered; see `MxCache.find`."""
        return decoded(self._cache.get(_KIND, domain.encode()), MailHosts)

    def keep(self, domain: str, answer: MailHosts, *, ttl_s: int) -> None:
        """Know it; see `MxCache.keep`."""
        if ttl_s > 0:
            value = msgspec.msgpack.encode(answer)
            self._cache.put(_KIND, domain.encode(), value=value, for_s=min(ttl_s, LONGEST_S))
