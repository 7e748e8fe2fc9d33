"""Whose message it says it is: the domains in From, read as whoever shows the message reads them."""

from domain.addresses import AddressInvalidError, parse_domain
from gateways.authentication.header_block import HeaderBlock
from gateways.mime.addresses import addresses
from gateways.mime.encoded_words import unfolded
from gateways.mime.structure import MAX_VALUE_BYTES

MAX_AUTHORS = 10


def author_domains(header: HeaderBlock) -> list[str]:
    """The domains of all addresses in all From fields, each once, ten at most; what is no domain is passed over."""
    found: dict[str, None] = {}
    for value in header.values(b"from"):
        for one in addresses(unfolded(value[:MAX_VALUE_BYTES])):
            try:
                found[parse_domain(one.address.rpartition("@")[2].strip().removesuffix("."))] = None
            except AddressInvalidError:
                continue
            if len(found) >= MAX_AUTHORS:
                return list(found)
    return list(found)
