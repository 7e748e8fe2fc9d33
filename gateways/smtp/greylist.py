"""Greylisting (RFC 6647): who was never seen with this sender and recipient is asked to come again, as servers do."""

import hashlib
import ipaddress
from typing import Protocol

from domain.addresses import EmailAddress
from gateways.reception import Verdict

OFF, SUSPICIOUS, ALWAYS = "off", "suspicious", "on"


class Greylist(Protocol):
    """The port to what remembers who has been here. Calls block and come from many threads at once."""

    def judge(self, triplet: bytes) -> Verdict:
        """ACCEPT, or LATER for who comes too early; where nothing can be remembered everybody is let in."""
        ...


def triplet_of(address: str, sender: str, recipient: EmailAddress) -> bytes:
    """What is remembered of a try: a hash of the client's /24 (IPv6: /64), the sender and the recipient."""
    told = "\0".join((_network(address), sender.lower(), recipient.canonical))
    return hashlib.sha256(told.encode("utf-8", "replace")).digest()[:16]


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 64), strict=False))
