"""What a domain publishes so that its mail is believed, and whether the DNS has it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gateways.authentication.dkim_keys import RETIRED, DkimKey
from gateways.authentication.dmarc_record import is_dmarc, read_record
from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.authentication.public_keys import KeyInvalidError, read_key
from gateways.authentication.spf import SpfQuery, check_host
from gateways.authentication.spf_record import is_spf

STRING_OCTETS = 255


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """One record to publish: what it is for, its name, kind and value."""

    purpose: str
    name: str
    kind: str
    value: str

    @property
    def line(self) -> str:
        """As a zone file has it (RFC 1035 section 5.1); long texts in strings of at most 255 octets."""
        value = self.value
        if self.kind == "TXT":
            pieces = [value[at : at + STRING_OCTETS] for at in range(0, len(value), STRING_OCTETS)]
            value = " ".join(f'"{piece}"' for piece in pieces)
        return f"{self.name}. 3600 IN {self.kind} {value}"


@dataclass(frozen=True, slots=True)
class Published:
    """Whether the DNS has what a record is for; `fault` says in a few words what is wrong, empty where nothing is."""

    record: ZoneRecord
    fault: str = ""


def records_of(domain: str, hostname: str, keys: Sequence[DkimKey]) -> list[ZoneRecord]:
    """What `domain` is to publish, whose mail comes to and leaves from `hostname` (both in A-labels)."""
    policy = sts_policy(hostname)
    return [
        ZoneRecord("MX", domain, "MX", f"10 {hostname}."),
        ZoneRecord("SPF", domain, "TXT", f"v=spf1 mx a:{hostname} -all"),
        *(ZoneRecord("DKIM", key.name, "TXT", key.record) for key in keys if key.state != RETIRED),
        ZoneRecord("DMARC", f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}"),
        ZoneRecord(
            "MTA-STS", f"_mta-sts.{domain}", "TXT", f"v=STSv1; id={hashlib.sha256(policy.encode()).hexdigest()[:20]}"
        ),
        ZoneRecord("TLS-RPT", f"_smtp._tls.{domain}", "TXT", f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"),
    ]


def sts_policy(hostname: str) -> str:
    """What `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` is to say (RFC 8461 section 3.2)."""
    return f"version: STSv1\r\nmode: testing\r\nmx: {hostname}\r\nmax_age: 604800\r\n"


async def published(resolver: Resolver, record: ZoneRecord, *, hostname: str) -> Published:
    """Whether what the record is for is there, be it written otherwise."""
    try:
        return Published(record, await _fault(resolver, record, hostname))
    except DnsTemporaryError as error:
        return Published(record, f"no answer: {error}")


async def _fault(resolver: Resolver, record: ZoneRecord, hostname: str) -> str:
    if record.purpose == "MX":
        hosts = [host.lower() for _, host in (await resolver.mail_hosts(record.name)).records]
        return "" if hostname in hosts else f"does not name {hostname}"
    texts = (await resolver.txt(record.name)).records
    match record.purpose:
        case "SPF":
            return await _spf_fault(resolver, record.name, texts, hostname)
        case "DKIM":
            return _key_fault(record, texts)
        case "DMARC":
            found = [text for text in texts if is_dmarc(text)]
            return "" if len(found) == 1 and read_record(found[0]) else _missing(found, "record")
        case _:
            version = record.value.partition(";")[0].encode()
            found = [text for text in texts if text.partition(b";")[0].strip() == version]
            return "" if len(found) == 1 else _missing(found, "record")


async def _spf_fault(resolver: Resolver, domain: str, texts: Sequence[bytes], hostname: str) -> str:
    """What SPF says of mail that leaves from the host's own addresses."""
    found = [text for text in texts if is_spf(text)]
    if len(found) != 1:
        return _missing(found, "record")
    addresses = [
        *(await resolver.addresses(hostname, version=4)).records,
        *(await resolver.addresses(hostname, version=6)).records,
    ]
    for address in addresses:
        result = await check_host(resolver, SpfQuery(address, hostname, f"postmaster@{domain}"))
        if result.result != "pass":
            return f"{result.result} for {address}"
    return "" if addresses else f"{hostname} has no address"


def _key_fault(record: ZoneRecord, texts: Sequence[bytes]) -> str:
    if not texts:
        return "not there"
    try:
        mine, theirs = read_key(record.value.encode()), read_key(texts[0])
    except KeyInvalidError as error:
        return str(error)
    if len(texts) > 1:
        return "several records"
    return "" if mine.key == theirs.key else "another key"


def _missing(found: Sequence[bytes], what: str) -> str:
    return "not there" if not found else f"several {what}s" if len(found) > 1 else f"the {what} cannot be read"
