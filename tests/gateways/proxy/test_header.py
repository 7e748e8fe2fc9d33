"""The header of the PROXY protocol, version 2: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt."""

import random

import pytest

from gateways.proxy.header import (
    FIXED_BYTES,
    MAX_BYTES,
    SIGNATURE,
    HeaderInvalidError,
    Source,
    header_bytes,
    source_of_header,
)
from tests.proxy_headers import LOCAL, PROXY, V1, header, raw, tlv


def test_it_names_the_client_of_a_tcp_connection() -> None:
    assert source_of_header(header("203.0.113.9")) == Source("203.0.113.9", 4711)
    assert source_of_header(header("2001:db8::7", port=65535)) == Source("2001:db8::7", 65535)


def test_an_ipv4_client_seen_by_an_ipv6_proxy_is_an_ipv4_client() -> None:
    assert source_of_header(header("::ffff:203.0.113.9")) == Source("203.0.113.9", 4711)


def test_whole_extensions_are_passed_over() -> None:
    tail = tlv(0x01, b"h2") + tlv(0x05, b"id" * 64) + tlv(0x04, b"")
    assert source_of_header(header(tail=tail)) == Source("203.0.113.9", 4711)


@pytest.mark.parametrize(
    "local", [raw(LOCAL, 0x00, b""), header(command=LOCAL), raw(LOCAL, 0xFF, b"anything"), raw(LOCAL, 0x11, b"")]
)
def test_a_health_check_is_the_proxys_own_whatever_it_says_of_addresses(local: bytes) -> None:
    assert source_of_header(local) is None


@pytest.mark.parametrize("family", [0x00, 0x12, 0x22, 0x31, 0x32])
def test_a_client_without_a_tcp_address_is_as_the_proxy_itself(family: int) -> None:
    assert source_of_header(raw(PROXY, family, bytes(216))) is None


@pytest.mark.parametrize(
    "wrong",
    [
        V1,
        b"EHLO mx.example.org\r\n",
        bytes(64),
        b"\x16\x03\x01" + bytes(61),
        raw(0x11, 0x11, bytes(12)),
        raw(0x31, 0x11, bytes(12)),
        raw(0x22, 0x11, bytes(12)),
        raw(0x2F, 0x11, bytes(12)),
    ],
)
def test_another_signature_version_or_command_is_refused_at_once(wrong: bytes) -> None:
    with pytest.raises(HeaderInvalidError):
        header_bytes(wrong[:FIXED_BYTES])


@pytest.mark.parametrize("family", [0x01, 0x10, 0x13, 0x41, 0x20, 0xFF])
def test_an_unknown_family_is_refused(family: int) -> None:
    with pytest.raises(HeaderInvalidError, match="family"):
        source_of_header(raw(PROXY, family, bytes(216)))


@pytest.mark.parametrize(
    "body", [(0x11, bytes(11)), (0x21, bytes(12)), (0x31, bytes(36)), (0x12, b""), (0x11, b"")], ids=str
)
def test_addresses_that_are_cut_short_are_refused(body: tuple[int, bytes]) -> None:
    with pytest.raises(HeaderInvalidError, match="short"):
        source_of_header(raw(PROXY, *body))


@pytest.mark.parametrize("tail", [b"\x01", b"\x01\x00", tlv(1, b"abc")[:-1], tlv(1, b"") + b"\x05\xff\xff"])
def test_an_extension_that_is_cut_short_is_refused(tail: bytes) -> None:
    with pytest.raises(HeaderInvalidError, match="extension"):
        source_of_header(header(tail=tail))


def test_no_header_is_longer_than_the_bound() -> None:
    most = header(tail=tlv(0xEA, bytes(MAX_BYTES - 12 - 16 - 3)))
    assert source_of_header(most) == Source("203.0.113.9", 4711)
    for length in (MAX_BYTES - FIXED_BYTES + 1, 65535):
        with pytest.raises(HeaderInvalidError, match="octets"):
            header_bytes(raw(PROXY, 0x11, b"", length=length))


def test_anything_that_begins_like_a_header_is_read_or_refused() -> None:
    random_ = random.Random(7)
    for _turn in range(5000):
        body = random_.randbytes(random_.randrange(300))
        octets = SIGNATURE + bytes([random_.choice((0x20, 0x21)), random_.randrange(256)])
        octets += len(body).to_bytes(2) + body
        try:
            found = source_of_header(octets)
        except HeaderInvalidError:
            continue
        assert found is None or found.address
