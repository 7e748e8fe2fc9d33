"""What a client says about itself and whom it asks for, made safe to keep and to look up."""

import ipaddress
import re
import unicodedata

from domain.addresses import AddressInvalidError, EmailAddress

MAX_SAID_CHARS = 500
_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_IPV6_SITE_BITS = 64


def said(text: str) -> str:
    """One line of at most 500 characters that a database takes: no controls, no lone surrogates."""
    return "".join(c for c in text[:MAX_SAID_CHARS] if unicodedata.category(c) not in ("Cc", "Cs"))


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id, so that it may be looked up."""
    return _ID.fullmatch(text) is not None


def canonical(address: str) -> str | None:
    """The spelling that the directory knows; None for what is no address."""
    try:
        return EmailAddress.parse(address.strip()).canonical
    except AddressInvalidError:
        return None


def network_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return said(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), _IPV6_SITE_BITS), strict=False))
    return str(ip)
