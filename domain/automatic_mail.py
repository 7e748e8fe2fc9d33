"""Mail that a mailbox sends by itself because one was delivered: replies, forwarded copies, rejections."""

import hashlib
from base64 import urlsafe_b64encode

import msgspec

VACATION, FORWARD, REJECTION = "vacation", "forward", "rejection"
STREAMS = frozenset({VACATION, FORWARD, REJECTION})
"""The streams of such submissions: they are not the owner's own doing, count for no limit of his, and have no undo."""
MAX_PER_DAY = 2_000
"""In any day; of a flood beyond that nothing is answered, and what was to be forwarded stays in INBOX."""
MAX_PER_MAIL = 8
REPLIED = "replied"
"""The kind of document that says when somebody was answered last."""


class AutomaticMail(msgspec.Struct, frozen=True, kw_only=True):
    """One such mail, its bytes stored as `blob`: `stream` says what it is.

    `reply_key` and `within_ms` are a vacation reply's: none where the same key was answered within that time.
    `tells_sender`: where it cannot be delivered its reverse-path is told (RFC 3461 section 4.1).
    """

    stream: str
    mail_from: str
    to: str
    blob: str
    size_bytes: int
    reply_key: str = ""
    within_ms: int = 0
    tells_sender: bool = False


def reply_key(address: str, handle: str) -> str:
    """What two replies have in common that are one to their receiver: whom they go to, and what they are about."""
    digest = hashlib.sha256(f"{address.lower()}\0{handle}".encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest[:24]).decode()


class Replied(msgspec.Struct, frozen=True):
    """The document of kind `REPLIED`: when the key was answered last, in unix milliseconds."""

    at: int
