"""A message as the checks see it, whole or in pieces."""

from collections.abc import Iterable

from gateways.authentication.evidence import Evidence


def evidence_of(raw: bytes, *, cuts: Iterable[int] = ()) -> Evidence:
    """What is taken down of `raw` (with CRLF line ends) when it comes in pieces that end at `cuts`."""
    evidence, at = Evidence(), 0
    for cut in [*sorted(cuts), len(raw)]:
        evidence.add(raw[at:cut])
        at = cut
    evidence.finish()
    return evidence


def as_lines(raw: bytes) -> bytes:
    """With CRLF line ends."""
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
