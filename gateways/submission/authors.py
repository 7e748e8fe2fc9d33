"""Whose message it says it is: only the one who signed in may be named (RFC 6409 section 6.1)."""

from collections.abc import Callable

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.mime.addresses import addresses
from gateways.mime.encoded_words import unfolded
from gateways.mime.header_fields import Fields
from gateways.submission.replies import AUTHOR_NOT_OWN, AUTHOR_UNCLEAR, SubmissionRefusedError

MAX_FIELD_OCTETS = 8 * 1024
MAX_AUTHORS = 10


def require_own_author(fields: Fields, is_own: Callable[[EmailAddress], bool]) -> None:
    """One From, all of whose addresses are own, and the same of Sender where there is one (RFC 5322 section 3.6.2).

    Raises: SubmissionRefusedError.
    """
    if len(fields.get(b"from", ())) != 1 or len(fields.get(b"sender", ())) > 1:
        raise SubmissionRefusedError(AUTHOR_UNCLEAR)
    named = {address for name in (b"from", b"sender") for value in fields.get(name, ()) for address in _named(value)}
    if not all(is_own(address) for address in named):
        raise SubmissionRefusedError(AUTHOR_NOT_OWN)


def _named(value: bytes) -> list[EmailAddress]:
    """Those that a field names: one at least, all of them addresses. Raises: SubmissionRefusedError."""
    found = addresses(unfolded(value)) if len(value) <= MAX_FIELD_OCTETS else ()
    if not 1 <= len(found) <= MAX_AUTHORS:
        raise SubmissionRefusedError(AUTHOR_UNCLEAR)
    try:
        return [EmailAddress.parse(one.address) for one in found]
    except AddressInvalidError:
        raise SubmissionRefusedError(AUTHOR_NOT_OWN) from None
