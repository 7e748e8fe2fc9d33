"""Whose message it says it is: the domains in From, read as whoever shows the message reads them."""

from domain.addresses import AddressInvalidError, parse_domain
from gateways.authentication.header_block import HeaderBlock
from gateways.mime.addresses import addresses
from gateways.mime.encoded_words import unfolded

MAX_AUTHORS = 10
MAX_FROM_BYTES = 16_384
"""Of all From fields together: the connections of a door wait for the reading."""


def author_domains(header: HeaderBlock) -> list[str]:
    """The domains of all addresses in the first 16 KB of the From fields, each once, ten at most; what is no domain is
    passed over."""
    found: dict[str, None] = {}
    left = MAX_FROM_BYTES
    for value in header.values(b"from"):
        read, left = value[:left], max(left - len(value), 0)
        for one in addresses(unfolded(read)):
            try:
                found[parse_domain(one.address.rpartition("@")[2].strip().removesuffix("."))] = None
            except AddressInvalidError:
                continue
            if len(found) >= MAX_AUTHORS:
                return list(found)
    return list(found)
