"""Where a domain wants its reports on TLS (RFC 8460 section 3)."""

from collections.abc import Sequence

from domain.addresses import EmailAddress
from gateways.authentication.dns import Resolver
from gateways.authentication.tags import TagsInvalidError, tag_list
from gateways.dmarc_reports.destinations import mail_destinations

VERSION = b"v=TLSRPTv1"


async def wanted_at(resolver: Resolver, domain: str) -> Sequence[EmailAddress]:
    """The addresses that the domain's one record names, a few at most; none where it has none or several. What it wants
    by HTTPS is passed over.

    Raises: DnsTemporaryError
    """
    found = (await resolver.txt(f"_smtp._tls.{domain}")).records
    texts = [text for text in found if text.partition(b";")[0].strip() == VERSION]
    if len(texts) != 1:
        return []
    try:
        tags = tag_list(texts[0].decode())
    except (TagsInvalidError, UnicodeDecodeError):
        return []
    return [one.address for one in mail_destinations(tags.get("rua", ""))]
