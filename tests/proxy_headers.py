"""Headers of the PROXY protocol, version 2, as proxies and strangers write them."""

import ipaddress
import struct

from gateways.proxy.header import SIGNATURE

V1 = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 25\r\n"
LOCAL = 0x20
PROXY = 0x21


def header(
    source: str = "203.0.113.9", *, command: int = PROXY, family: int | None = None, tail: bytes = b"", port: int = 4711
) -> bytes:
    """Of a TCP connection from `source`, with extensions behind the addresses."""
    ip = ipaddress.ip_address(source)
    here = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    body = ip.packed + here.packed + struct.pack("!HH", port, 25) + tail
    kind = {4: 0x11, 6: 0x21}[ip.version] if family is None else family
    return raw(command, kind, body)


def raw(command: int, family: int, body: bytes, *, length: int | None = None) -> bytes:
    """Any header at all."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


def tlv(kind: int, value: bytes) -> bytes:
    """An extension (section 2.2.1)."""
    return struct.pack("!BH", kind, len(value)) + value
