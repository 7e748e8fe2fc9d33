"""A DMARC policy record (RFC 9989 section 4.7); those written for RFC 7489 are read, too."""

import re
from dataclasses import dataclass
from functools import lru_cache

from gateways.authentication.tags import TagsInvalidError, tag_list

NONE, QUARANTINE, REJECT = "none", "quarantine", "reject"
POLICIES = (NONE, QUARANTINE, REJECT)
"""From the mildest to the strictest."""
MAX_RECORD_OCTETS = 16_384
_VERSION = re.compile(rb"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """What a domain asks for, for itself, its subdomains and those that are not there."""

    policy: str
    subdomains: str
    missing: str
    is_spf_strict: bool = False
    is_dkim_strict: bool = False
    is_test: bool = False
    """t=y: the policy is to be applied one step milder."""
    suffix: str = "u"
    """psd: y where the domain is a public suffix, n where it is an organization, u where it does not say."""


def is_dmarc(text: bytes) -> bool:
    """Whether a text record is one of DMARC."""
    return len(text) <= MAX_RECORD_OCTETS and _VERSION.match(text) is not None


@lru_cache(maxsize=1024)
def read_record(text: bytes) -> DmarcRecord | None:
    """The record; None where it cannot be read, or asks for what no one knows and for no reports."""
    try:
        tags = tag_list(text.decode("utf-8"))
    except (TagsInvalidError, UnicodeDecodeError):
        return None
    asked = tags.get("p", NONE).lower()
    if asked not in POLICIES and not tags.get("rua"):
        return None
    policy = asked if asked in POLICIES else NONE
    subdomains = _policy(tags, "sp", policy)
    return DmarcRecord(
        policy,
        subdomains,
        _policy(tags, "np", subdomains),
        is_spf_strict=tags.get("aspf", "r").lower() == "s",
        is_dkim_strict=tags.get("adkim", "r").lower() == "s",
        is_test=tags.get("t", "n").lower() == "y" or _is_sampled(tags),
        suffix=tags.get("psd", "u").lower(),
    )


def _policy(tags: dict[str, str], name: str, default: str) -> str:
    policy = tags.get(name, default).lower()
    return policy if policy in POLICIES else default


def _is_sampled(tags: dict[str, str]) -> bool:
    """pct= below 100, which RFC 9989 no longer has: who asked for a part only would lose mail by the whole. What was
    not in the sample was treated one step milder (RFC 7489 section 6.6.4), and so is all of it."""
    share = tags.get("pct", "100")
    return "t" not in tags and share.isascii() and share.isdigit() and len(share) < 4 and int(share) < 100
