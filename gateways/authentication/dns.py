"""The port to the DNS (RFC 1034): a few kinds of record by name, told apart from there being none and from no answer.

Names are text in A-labels with or without the last dot; a name that cannot exist (an empty label, one of more than 63
octets, more than 253 in all) is answered as one that does not, without asking anybody.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class DnsTemporaryError(Exception):
    """No answer that counts: a time-out, SERVFAIL, a refusal, a garbled or endless answer. Later it may be another."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T_co]):
    """The records of a name; none where there is no such name (`exists` is false) or none of this kind."""

    records: tuple[T_co, ...] = ()
    exists: bool = True
    authenticated: bool = False
    """The resolver says that DNSSEC proves it (RFC 4035 section 3.2.3), and may be believed."""

    @property
    def is_void(self) -> bool:
        """Whether nothing was found (RFC 7208 section 4.6.4)."""
        return not self.records


class Resolver(Protocol):
    """The DNS. Aliases (CNAME) are followed. Every method raises DnsTemporaryError, within a bounded time."""

    async def txt(self, name: str) -> Answer[bytes]:
        """Texts, the strings of each joined (RFC 7208 section 3.3)."""
        ...

    async def addresses(self, name: str, *, version: int) -> Answer[str]:
        """IPv4 (`version` 4) or IPv6 (6) addresses."""
        ...

    async def mail_hosts(self, name: str) -> Answer[tuple[int, str]]:
        """MX records (RFC 5321 section 5.1): preference and host; the host of a null MX (RFC 7505) is empty."""
        ...

    async def tlsa(self, name: str) -> Answer[tuple[int, int, int, bytes]]:
        """TLSA records (RFC 6698 section 2.1): usage, selector, matching type and data."""
        ...

    async def names(self, address: str) -> Answer[str]:
        """The names of an IPv4 or IPv6 address (PTR), unverified."""
        ...
