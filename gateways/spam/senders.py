"""Who is proven to have sent a message, as a number that tells nobody who that is: what words about senders hang on.

Proven is whom DMARC proves: the domain of the author (RFC 9989). The author stands in From; of an unproven one
anybody could take the name, so it is nobody.
"""

import msgspec
from msgspec import UNSET

from domain.events import MessageDelivered
from gateways.authentication.header_block import HeaderBlock
from gateways.mime.addresses import addresses
from gateways.mime.encoded_words import unfolded
from gateways.screening import Screening
from gateways.spam.token_ids import TokenIds

NOBODY = 0
_MAX_FROM_BYTES = 2_000


class _Proof(msgspec.Struct):
    dmarc: str = ""


def sender_of(screening: Screening, header: HeaderBlock, ids: TokenIds) -> int:
    """Of a message that arrives."""
    if screening.dmarc != "pass":
        return NOBODY
    fields = header.values(b"from")
    return _numbered([one.address for value in fields for one in addresses(unfolded(value[:_MAX_FROM_BYTES]))], ids)


def sender_of_delivered(event: MessageDelivered, ids: TokenIds) -> int:
    """Of a message that was delivered."""
    if event.server is UNSET or event.personal is UNSET:
        return NOBODY
    try:
        proof = msgspec.json.decode(event.server.screening, type=_Proof | None)
    except msgspec.DecodeError:
        return NOBODY
    if proof is None or proof.dmarc != "pass":
        return NOBODY
    return _numbered([one.address for one in event.personal.from_], ids)


def sender_of_address(address: str, ids: TokenIds) -> int:
    """Of a proven author."""
    return (ids.of([f"sender:{address.lower()}"])[0] or 1) if address else NOBODY


def _numbered(authors: list[str], ids: TokenIds) -> int:
    return sender_of_address(authors[0], ids) if len(authors) == 1 else NOBODY
