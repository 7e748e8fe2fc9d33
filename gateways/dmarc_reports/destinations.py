"""Where a domain wants its reports: the addresses of its record that may be sent to (RFC 9990 section 4)."""

import re
from typing import Final
from urllib.parse import unquote

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.authentication.dmarc import Walk, discover
from gateways.authentication.dmarc_record import is_dmarc
from gateways.authentication.dns import Resolver
from gateways.authentication.tags import TagsInvalidError, tag_list
from gateways.dmarc_reports.report import Policy

MAX_DESTINATIONS: Final = 5
"""Of one domain: nobody has us send his reports to a hundred others."""
_LIMIT = re.compile(r"!([0-9]{1,12})([kmgt]?)$", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class Destination:
    """An address, and the largest mail that it takes where its record says so (RFC 7489 section 6.2), else None."""

    def __init__(self, address: EmailAddress, most_bytes: int | None) -> None:
        self.address = address
        self.most_bytes = most_bytes


async def published(resolver: Resolver, domain: str) -> tuple[Policy, list[Destination]] | None:
    """The policy that this very name has now, and whom its reports go to; None where it has none.

    Raises: DnsTemporaryError
    """
    texts = [text for text in (await resolver.txt(f"_dmarc.{domain}")).records if is_dmarc(text)]
    if len(texts) != 1:
        return None
    try:
        tags = tag_list(texts[0].decode())
    except (TagsInvalidError, UnicodeDecodeError):
        return None
    wanted = mail_destinations(tags.get("rua", ""))
    return _policy(domain, tags), [one for one in wanted if await _is_willing(resolver, domain, one.address.domain)]


def _policy(domain: str, tags: dict[str, str]) -> Policy:
    policy = tags.get("p", "none").lower()
    subdomains = tags.get("sp", policy).lower()
    return Policy(
        domain=domain,
        policy=policy,
        subdomains=subdomains,
        missing=tags.get("np", subdomains).lower(),
        dkim_alignment=tags.get("adkim", "r").lower(),
        spf_alignment=tags.get("aspf", "r").lower(),
        testing=tags.get("t", "n").lower(),
    )


def mail_destinations(rua: str) -> list[Destination]:
    """What of `rua` can be sent to, in its order; other schemes and what is no address are passed over."""
    found = []
    for uri in rua.split(",")[:MAX_DESTINATIONS]:
        scheme, _, rest = uri.strip().partition(":")
        limit = _LIMIT.search(rest)
        path = _LIMIT.sub("", rest).partition("?")[0]
        if scheme.lower() != "mailto":
            continue
        try:
            address = EmailAddress.parse(unquote(path))
        except AddressInvalidError:
            continue
        found.append(Destination(address, int(limit[1]) * _UNITS[limit[2].lower()] if limit else None))
    return found


async def _is_willing(resolver: Resolver, domain: str, host: str) -> bool:
    """Whether reports on `domain` may go to `host`: one of its own organization, or one that says it wants them."""
    if host == domain or host.endswith(f".{domain}"):
        return True
    own, other = await discover(resolver, domain), await discover(resolver, host)
    if isinstance(own, Walk) and isinstance(other, Walk) and own.organization == other.organization:
        return True
    said = await resolver.txt(f"{domain}._report._dmarc.{host}")
    return any(is_dmarc(text) for text in said.records)
