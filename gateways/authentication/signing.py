"""DKIM signing (RFC 6376 section 5, RFC 8463): one field a key, in the relaxed forms, in front of a message."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Protocol

from gateways.authentication.canonical import RELAXED, RelaxedBody, relaxed_field
from gateways.authentication.evidence import Evidence

SIGNED_FIELDS = (
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"),
    *("mime-version", "content-type", "content-transfer-encoding"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted"),
)
ONCE_MORE = (
    "from",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "content-type",
    "content-transfer-encoding",
)
"""Named once more than they are there, so that nobody can add another (RFC 6376 section 8.15)."""
_WIDTH = 72


class SigningKey(Protocol):
    """A private key in use."""

    @property
    def domain(self) -> str:
        """Who answers for what is signed."""
        ...

    @property
    def selector(self) -> str:
        """Which of the domain's keys it is."""
        ...

    @property
    def algorithm(self) -> str:
        """`rsa-sha256` or `ed25519-sha256`."""
        ...

    def sign(self, octets: bytes) -> bytes:
        """The signature of their SHA-256."""
        ...


def signatures(raw: bytes, keys: Sequence[SigningKey], *, signed_at_s: int) -> bytes:
    """The DKIM-Signature fields to put before `raw`, which has CRLF line ends and no forged or missing From; one a key.

    Raises: ValueError: it has no From, which a signature must cover.
    """
    evidence, body = Evidence(), hashlib.sha256()
    evidence.add(raw)
    evidence.finish()
    header = evidence.header
    if not header.is_whole or b"from" not in header.places:
        raise ValueError("a message that is signed has one From in a header that can be read")
    hashed = RelaxedBody(body)
    hashed.add(body_of(raw))
    hashed.finish()
    names = names_to_sign({name.decode("latin-1"): len(places) for name, places in header.places.items()})
    fields = header.selected(tuple(name.encode() for name in names), RELAXED)
    return b"".join(_signature(key, names, fields, body.digest(), signed_at_s) for key in keys)


def body_of(raw: bytes) -> bytes:
    """What stands behind the empty line that ends the header."""
    return raw[2:] if raw.startswith(b"\r\n") else raw.partition(b"\r\n\r\n")[2]


def names_to_sign(counted: dict[str, int]) -> list[str]:
    """The fields that a signature covers, of those that are there so often, and of some one more than there is."""
    names = []
    for name in SIGNED_FIELDS:
        names += [name] * (counted.get(name, 0) + (name in ONCE_MORE))
    return names


def _signature(key: SigningKey, names: list[str], fields: list[bytes], body_hash: bytes, signed_at_s: int) -> bytes:
    lines = [
        f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;",
        f"d={key.domain};",
        f"s={key.selector}; t={signed_at_s};",
        folded(f"h={':'.join(names)};", at=":"),
        f"bh={base64.b64encode(body_hash).decode()};",
        "b=",
    ]
    empty = "\r\n\t".join(lines)
    octets = key.sign(b"\r\n".join([*fields, relaxed_field(empty.encode())]))
    return f"{empty}{folded(base64.b64encode(octets).decode())}\r\n".encode()


def folded(text: str, *, at: str = "") -> str:
    """In lines of about 72 characters, broken anywhere or behind `at`."""
    lines = []
    while len(text) > _WIDTH:
        end = text.rfind(at, 0, _WIDTH) + 1 if at else _WIDTH
        lines.append(text[: end or _WIDTH])
        text = text[end or _WIDTH :]
    return "\r\n\t".join([*lines, text])
