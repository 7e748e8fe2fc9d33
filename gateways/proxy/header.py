"""A header of the PROXY protocol, version 2 (section 2.2): from its octets to the client that it names."""

import ipaddress
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED_BYTES = 16
"""Signature, version and command, family and protocol, and how many octets follow."""
MAX_BYTES = 4096
"""A header may announce 65,551 octets; the addresses of all families and the usual TLVs fit into 536."""
_VERSION = 2
_LOCAL, _PROXY = 0, 1
_ADDRESS_BYTES = {0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216, 0x00: 0}
"""Family and protocol (TCP and UDP over IPv4 and IPv6, streams and datagrams of UNIX, unspecified) → addresses."""
_IP_BYTES = {0x11: 4, 0x21: 16}
_TLV_BYTES = 3


class HeaderInvalidError(Exception):
    """What came is no such header; the connection must be closed (section 2)."""


class Source(NamedTuple):
    """Where a client is: its IP address, an IPv4 one never in its IPv6 form, and its port."""

    address: str
    port: int


def header_bytes(fixed: bytes) -> int:
    """How many octets the header has that begins with these 16.

    Raises: HeaderInvalidError
    """
    require_begun(fixed)
    if fixed[12] >> 4 != _VERSION or fixed[12] & 15 not in (_LOCAL, _PROXY):
        raise HeaderInvalidError("its version or command is unknown")
    size = FIXED_BYTES + int.from_bytes(fixed[14:16])
    if size > MAX_BYTES:
        raise HeaderInvalidError(f"it has more than {MAX_BYTES} octets")
    return size


def require_begun(data: bytes) -> None:
    """Nothing, where these octets can begin a header. Raises: HeaderInvalidError"""
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise HeaderInvalidError("it does not begin with the signature")


def source_of_header(header: bytes) -> Source | None:
    """Whom a whole header introduces; None where the proxy speaks for itself, or for whom has no TCP address.

    Raises: HeaderInvalidError
    """
    size = header_bytes(header[:FIXED_BYTES])
    if len(header) != size:
        raise HeaderInvalidError("it is not as long as it says")
    if header[12] & 15 == _LOCAL:  # the rest must be ignored, the family included
        return None
    body = header[FIXED_BYTES:]
    length = _ADDRESS_BYTES.get(header[13])
    if length is None:
        raise HeaderInvalidError("its address family is unknown")
    if len(body) < length:
        raise HeaderInvalidError("its addresses are cut short")
    _require_whole(body[length:])
    octets = _IP_BYTES.get(header[13])
    return None if octets is None else _source(body, octets)


def _source(body: bytes, octets: int) -> Source:
    ip = ipaddress.ip_address(body[:octets])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return Source(str(ip), int.from_bytes(body[2 * octets : 2 * octets + 2]))


def _require_whole(extensions: bytes) -> None:
    """Each of the type-length-value vectors is whole (section 2.2.1); none is of use here."""
    at = 0
    while at < len(extensions):
        if at + _TLV_BYTES > len(extensions):
            raise HeaderInvalidError("an extension is cut short")
        at += _TLV_BYTES + int.from_bytes(extensions[at + 1 : at + _TLV_BYTES])
    if at != len(extensions):
        raise HeaderInvalidError("an extension is cut short")
