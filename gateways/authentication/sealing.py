"""Sealing what is forwarded (RFC 8617 section 5.1): what was found when a message came, signed, so that the next host
can believe it though the way through us broke what it would have checked itself."""

import base64
import hashlib
from collections.abc import Sequence

from gateways.authentication.arc import MAX_SETS, ChainError, sealed_octets, sets_of
from gateways.authentication.canonical import RELAXED, RelaxedBody, relaxed_field
from gateways.authentication.evidence import Evidence
from gateways.authentication.header_block import HeaderBlock
from gateways.authentication.signature import DKIM, SignatureInvalidError
from gateways.authentication.signing import SigningKey, body_of, folded, names_to_sign

_PLACEHOLDER = "AAAA"


def arc_set(
    raw: bytes, key: SigningKey, *, hostname: str, chain: str, results: Sequence[str], signed_at_s: int
) -> bytes:
    """The three fields of our set, to put before `raw`; nothing where it cannot be sealed.

    `chain` is what the chain came to when the message arrived (none, pass or another word of RFC 8601), `results` the
    parts of Authentication-Results behind our own name. A chain that does not pass is not gone on with.
    """
    evidence = Evidence()
    evidence.add(raw)
    evidence.finish()
    header = evidence.header
    try:
        before = sets_of(header)
    except (ChainError, SignatureInvalidError):
        return b""
    if not header.is_whole or len(before) >= MAX_SETS or chain != ("pass" if before else "none"):
        return b""
    instance = len(before) + 1
    found = _results(instance, hostname, results) + _message_signature(header, raw, key, instance, signed_at_s)
    return _seal(found, header, key, instance, signed_at_s) + found


def _results(instance: int, hostname: str, results: Sequence[str]) -> bytes:
    parts = [f"ARC-Authentication-Results: i={instance}; {hostname}", *(results or ("none",))]
    return (";\r\n\t".join(parts) + "\r\n").encode("utf-8", "replace")


def _message_signature(header: HeaderBlock, raw: bytes, key: SigningKey, instance: int, signed_at_s: int) -> bytes:
    counted = {name.decode("latin-1"): len(places) for name, places in header.places.items()}
    names = [*names_to_sign(counted), *["dkim-signature"] * counted.get(DKIM.decode(), 0)]
    digest = hashlib.sha256()
    body = RelaxedBody(digest)
    body.add(body_of(raw))
    body.finish()
    empty = "\r\n\t".join(
        [
            f"ARC-Message-Signature: i={instance}; a={key.algorithm}; c=relaxed/relaxed;",
            f"d={key.domain}; s={key.selector}; t={signed_at_s};",
            folded(f"h={':'.join(names)};", at=":"),
            f"bh={base64.b64encode(digest.digest()).decode()};",
            "b=",
        ]
    )
    fields = header.selected(tuple(name.encode() for name in names), RELAXED)
    return _signed(empty, key.sign(b"\r\n".join([*fields, relaxed_field(empty.encode())])))


def _seal(found: bytes, header: HeaderBlock, key: SigningKey, instance: int, signed_at_s: int) -> bytes:
    validity = "none" if instance == 1 else "pass"
    empty = (
        f"ARC-Seal: i={instance}; a={key.algorithm}; t={signed_at_s}; cv={validity};\r\n\t"
        f"d={key.domain}; s={key.selector};\r\n\tb="
    )
    whole = f"{empty}{_PLACEHOLDER}\r\n".encode() + found + b"\r\n".join(header.fields)
    sealed = HeaderBlock(whole)
    return _signed(empty, key.sign(sealed_octets(sealed, sets_of(sealed))))


def _signed(empty: str, octets: bytes) -> bytes:
    return f"{empty}{folded(base64.b64encode(octets).decode())}\r\n".encode()
