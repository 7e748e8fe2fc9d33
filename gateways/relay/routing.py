"""Where mail for a domain goes (RFC 5321 section 5.1): its mail hosts by preference and their addresses."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateways.authentication.dns import DnsTemporaryError, Resolver

MAX_HOSTS = 10
"""Of one domain, drawn anew each time among those of one preference."""
MAX_ADDRESSES = 8
"""Of one host."""


class UnroutableError(Exception):
    """Mail for the domain will never have a host; the text is an SMTP reply."""


class NoRouteYetError(Exception):
    """It could not be found out; the text is an SMTP reply."""


class Network(Protocol):
    """What is known of addresses on this machine."""

    def is_ours(self, address: str) -> bool:
        """Whether this installation itself would answer there."""
        ...

    def may_reach(self, address: str) -> bool:
        """Whether mail may go there: no stranger's DNS sends us into a private network."""
        ...

    def may_name(self, domain: str) -> bool:
        """Whether mail may go to or come from a domain: not where it is nobody's (RFC 2606)."""
        ...


@dataclass(frozen=True, slots=True)
class MailHost:
    """One host of a domain. `is_proven`: DNSSEC proves that it is one and that the addresses are its own."""

    name: str
    preference: int
    addresses: tuple[str, ...]
    is_proven: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    preference: int
    addresses: tuple[str, ...]
    is_proven: bool
    failure: str = ""


class Routing:
    """Finds the hosts of domains. `hostname` is our own name, `shuffle` orders those of one preference."""

    def __init__(
        self,
        resolver: Resolver,
        network: Network,
        *,
        hostname: str,
        shuffle: Callable[[list[tuple[int, str]]], None] = random.shuffle,
    ) -> None:
        self._resolver = resolver
        self._network = network
        self._hostname = hostname
        self._shuffle = shuffle

    def permit(self, mail_from: str) -> None:
        """What nobody could answer is not sent: mail of a domain that is nobody's, as that of the demo accounts. What
        has a null reverse-path is this host's.

        Raises: UnroutableError
        """
        domain = mail_from.rpartition("@")[2] or self._hostname
        if not self._network.may_name(domain):
            raise UnroutableError(f"550 5.7.1 {domain} is a name for tests and examples: its mail stays on this host")

    async def hosts(self, domain: str) -> Sequence[MailHost]:
        """At least one host with an address, the preferred first.

        Raises: UnroutableError, NoRouteYetError
        """
        if not self._network.may_name(domain):
            raise UnroutableError(f"550 5.1.2 {domain} is a name for tests and examples: nobody has mail there")
        try:
            names, is_proven = await self._names(domain)
        except DnsTemporaryError as error:
            raise NoRouteYetError(f"451 4.4.3 {domain}: {error}") from error
        ours = min((preference for preference, name in names if name == self._hostname), default=None)
        if ours is not None:
            names = [(preference, name) for preference, name in names if preference < ours]
            if not names:
                raise UnroutableError(f"554 5.4.6 mail for {domain} comes back to this host")
        found = await asyncio.gather(*(self._host(*one, is_proven=is_proven) for one in names[:MAX_HOSTS]))
        return self._ordered(domain, self._before_us(domain, found))

    async def _names(self, domain: str) -> tuple[list[tuple[int, str]], bool]:
        answer = await self._resolver.mail_hosts(domain)
        if not answer.exists:
            raise UnroutableError(f"550 5.1.2 there is no domain {domain}")
        if not answer.records:
            return [(0, domain)], answer.authenticated
        records = [(preference, name.lower().rstrip(".")) for preference, name in answer.records]
        if all(not name for _preference, name in records):
            raise UnroutableError(f"556 5.1.10 {domain} takes no mail")  # RFC 7505 section 3
        named = [one for one in records if one[1]]
        self._shuffle(named)
        return sorted(named, key=lambda one: one[0]), answer.authenticated

    async def _host(self, preference: int, name: str, *, is_proven: bool) -> _Found:
        answers = await asyncio.gather(
            *(self._resolver.addresses(name, version=version) for version in (6, 4)), return_exceptions=True
        )
        found: list[str] = []
        failure = ""
        for answer in answers:
            if isinstance(answer, DnsTemporaryError):
                failure = str(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer.records
                is_proven = is_proven and answer.authenticated
        return _Found(name, preference, tuple(found), is_proven and not failure, failure)

    def _before_us(self, domain: str, found: Sequence[_Found]) -> Sequence[_Found]:
        """Those preferred to a host that is this very installation, whatever its name (RFC 5321 section 5.1)."""
        ours = [one.preference for one in found if any(map(self._network.is_ours, one.addresses))]
        if not ours:
            return found
        kept = [one for one in found if one.preference < min(ours)]
        if not kept:
            raise UnroutableError(f"554 5.4.6 mail for {domain} comes back to this host")
        return kept

    def _ordered(self, domain: str, found: Sequence[_Found]) -> Sequence[MailHost]:
        hosts = [
            MailHost(one.name, one.preference, reachable[:MAX_ADDRESSES], one.is_proven)
            for one in found
            if (reachable := tuple(address for address in one.addresses if self._network.may_reach(address)))
        ]
        if hosts:
            return hosts
        failures = [one.failure for one in found if one.failure]
        if failures:
            raise NoRouteYetError(f"451 4.4.3 {domain}: {failures[0]}")
        if any(one.addresses for one in found):
            raise UnroutableError(f"550 5.4.4 {domain} has no address that mail may go to")
        raise UnroutableError(f"550 5.4.4 {domain} has no host for mail")
