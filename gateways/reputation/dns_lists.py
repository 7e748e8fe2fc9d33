"""Block and allow lists in the DNS (RFC 5782): asked all at once, while the client has yet to say what it wants."""

import asyncio
import ipaddress
from collections.abc import Sequence

from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.smtp.standing import Standing

TIMEOUT_S = 8.0
_LISTED = ipaddress.ip_network("127.0.0.0/8")
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")))
_TOLD_OTHERWISE = ipaddress.ip_network("127.255.0.0/16")
"""Answers by which lists say that they may not be asked so; they list nobody."""


class DnsLists:
    """The port `gateways.smtp.standing.Doorkeeper` on zones. Whom an allow list has no block list shuts out."""

    def __init__(self, resolver: Resolver, *, block: Sequence[str], allow: Sequence[str]) -> None:
        self._resolver = resolver
        self._block = block
        self._allow = allow

    async def look(self, address: str) -> Standing:
        """The first of the block lists, in their order, that names the address."""
        reverse = reverse_name(address)
        if reverse is None:
            return Standing()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                zones = (*self._allow, *self._block)
                nameless, *named = await asyncio.gather(
                    self._is_nameless(address), *(self._names(zone, reverse) for zone in zones)
                )
        except TimeoutError:
            return Standing()
        if any(named[: len(self._allow)]):
            return Standing(is_allowed=True)
        blocking = zip(self._block, named[len(self._allow) :], strict=True)
        listed_by = next((zone for zone, is_named in blocking if is_named), "")
        return Standing(listed_by, is_nameless=nameless)

    async def _is_nameless(self, address: str) -> bool:
        try:
            return (await self._resolver.names(address)).is_void
        except DnsTemporaryError:
            return False

    async def _names(self, zone: str, reverse: str) -> bool:
        try:
            answer = await self._resolver.addresses(f"{reverse}.{zone}", version=4)
        except DnsTemporaryError:
            return False
        found = [ipaddress.ip_address(one) for one in answer.records]
        return any(one in _LISTED and one not in _TOLD_OTHERWISE for one in found)


def reverse_name(address: str) -> str | None:
    """What an address is asked for under a zone (RFC 5782 sections 2.1 and 2.4); nothing in private networks."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if any(ip in network for network in _PRIVATE if network.version == ip.version):
        return None
    return ip.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
