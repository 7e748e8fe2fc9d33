"""SPF (RFC 7208): whether a domain lets an address send in its name. `check_host` of section 4, with its bounds."""

import asyncio
import ipaddress
import time
from dataclasses import dataclass, replace
from typing import TypeVar

from gateways.authentication.dns import Answer, DnsTemporaryError, Resolver
from gateways.authentication.spf_macros import (
    EXPLANATION_ONLY,
    MacroInvalidError,
    domain_name,
    dotted,
    explanation,
    letters_in,
)
from gateways.authentication.spf_record import Mechanism, SpfRecord, SpfRecordError, is_spf, read_record

MAX_LOOKUPS = 10  # RFC 7208 section 4.6.4, as are the next three
MAX_VOID_LOOKUPS = 2
MAX_MAIL_HOSTS = 10
MAX_NAMES = 10
TIMEOUT_S = 20.0
MAX_EXPLANATION = 400

T = TypeVar("T")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class SpfQuery:
    """Who asks to send: the other side's address, its EHLO, its reverse-path (empty for a notification)."""

    client: str
    helo: str
    reverse_path: str
    receiver: str = "unknown"
    """Our own name, for explanations."""

    @property
    def sender(self) -> str:
        """What is checked: the reverse-path, or postmaster at the EHLO name (RFC 7208 section 2.4)."""
        localpart, at, domain = self.reverse_path.rpartition("@")
        if not self.reverse_path:
            return f"postmaster@{self.helo}"
        return f"{localpart or 'postmaster'}@{domain if at else self.reverse_path}"

    @property
    def domain(self) -> str:
        """Whose policy decides, in lower case."""
        return self.sender.rpartition("@")[2].lower().removesuffix(".")

    @property
    def has_helo_name(self) -> bool:
        """Whether the EHLO is a name of several labels: neither an address nor a machine's nickname."""
        labels = self.helo.removesuffix(".").split(".")
        return len(labels) > 1 and not labels[-1].isdigit() and not self.helo.startswith("[")

    @property
    def of_helo(self) -> "SpfQuery":
        """The same, about the EHLO name (RFC 7208 section 2.3)."""
        return replace(self, reverse_path="")


@dataclass(frozen=True, slots=True)
class SpfResult:
    """pass, fail, softfail, neutral, none, temperror or permerror (RFC 7208 section 2.6), for this domain."""

    result: str
    domain: str
    reason: str = ""
    explained_by: tuple[str, str] | None = None
    """For a fail: the domain-spec of the explanation, and the domain in whose record it stands."""


class _PermanentError(Exception):
    """The evaluation ends in permerror."""


async def check_host(resolver: Resolver, query: SpfQuery, *, timeout_s: float = TIMEOUT_S) -> SpfResult:
    """What SPF says of this sender; it always says something, after `timeout_s` at the latest."""
    evaluation = _Evaluation(resolver, query)
    try:
        async with asyncio.timeout(timeout_s):
            return await evaluation.of(query.domain)
    except TimeoutError:
        return SpfResult("temperror", query.domain, "the DNS took too long")
    except DnsTemporaryError as error:
        return SpfResult("temperror", query.domain, str(error))
    except (_PermanentError, SpfRecordError, MacroInvalidError) as error:
        return SpfResult("permerror", query.domain, str(error))


async def explain(resolver: Resolver, query: SpfQuery, failed: SpfResult) -> str | None:
    """The domain's own words on a fail (RFC 7208 section 6.2); None where it has none that can be read."""
    if failed.explained_by is None:
        return None
    spec, domain = failed.explained_by
    evaluation = _Evaluation(resolver, query)
    try:
        answer = await resolver.txt(domain_name(spec, await evaluation.values(spec, domain)))
        if len(answer.records) != 1 or not answer.records[0].isascii():
            return None
        text = answer.records[0].decode("ascii")
        return explanation(text, await evaluation.values(text, domain))[:MAX_EXPLANATION]
    except (DnsTemporaryError, MacroInvalidError):
        return None


class _Evaluation:
    """One check_host with all the records that it leads to, and what it has used of its bounds."""

    def __init__(self, resolver: Resolver, query: SpfQuery) -> None:
        self._resolver = resolver
        self._query = query
        self._client = _address(query.client)
        self._lookups = 0
        self._voids = 0
        self._validated: dict[str, list[str]] = {}

    async def of(self, domain: str) -> SpfResult:
        """check_host for one domain, called again for those that it includes and redirects to."""
        if not _is_domain(domain):
            return SpfResult("none", domain, "no domain to ask")
        found = [text for text in (await self._resolver.txt(domain)).records if is_spf(text)]
        if not found:
            return SpfResult("none", domain)
        if len(found) > 1:
            raise _PermanentError(f"{domain} has {len(found)} records")
        return await self._decide(read_record(found[0]), domain)

    async def _decide(self, record: SpfRecord, domain: str) -> SpfResult:
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                explained = record.explanation is not None and mechanism.result == "fail"
                by = (record.explanation or "", domain) if explained else None
                return SpfResult(mechanism.result, domain, f"by {mechanism.name}", by)
        if record.redirect is None:
            return SpfResult("neutral", domain)
        return await self._redirected(record.redirect, domain)

    async def _redirected(self, spec: str, domain: str) -> SpfResult:
        """RFC 7208 section 6.1."""
        self._count_lookup()
        redirected = await self.of(domain_name(spec, await self.values(spec, domain)))
        if redirected.result == "none":
            raise _PermanentError(f"redirected to {redirected.domain}, which has no record")
        return redirected

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return self._client in mechanism.network
        self._count_lookup()
        target = domain
        if mechanism.domain:
            target = domain_name(mechanism.domain, await self.values(mechanism.domain, domain))
        match mechanism.name:
            case "include":
                return await self._includes(target)
            case "a":
                return await self._is_host(target, mechanism)
            case "mx":
                return await self._is_mail_host(target, mechanism)
            case "exists":
                return not self._counted(await self._resolver.addresses(target, version=4)).is_void
            case _:
                return bool(await self._names_under(target))

    async def _includes(self, target: str) -> bool:
        """RFC 7208 section 5.2."""
        included = await self.of(target)
        if included.result == "none":
            raise _PermanentError(f"includes {target}, which has no record")
        return included.result == "pass"

    async def _is_host(self, name: str, mechanism: Mechanism) -> bool:
        found = self._counted(await self._resolver.addresses(name, version=self._client.version))
        bits = mechanism.four_bits if self._client.version == 4 else mechanism.six_bits
        return any(self._client in ipaddress.ip_network(f"{address}/{bits}", strict=False) for address in found.records)

    async def _is_mail_host(self, name: str, mechanism: Mechanism) -> bool:
        hosts = [host for _preference, host in self._counted(await self._resolver.mail_hosts(name)).records]
        if len(hosts) > MAX_MAIL_HOSTS:
            raise _PermanentError(f"{name} has more than {MAX_MAIL_HOSTS} mail hosts")
        for host in hosts:
            if await self._is_host(host, mechanism):
                return True
        return False

    async def _names_under(self, domain: str) -> list[str]:
        """The client's validated names that are `domain` or lie below it (RFC 7208 section 5.5)."""
        ending = f".{domain.lower().removesuffix('.')}"
        return [name for name in await self._validated_names() if f".{name.lower()}".endswith(ending)]

    async def _validated_names(self) -> list[str]:
        client = str(self._client)
        if client not in self._validated:
            try:
                names = (await self._resolver.names(client)).records[:MAX_NAMES]
            except DnsTemporaryError:
                names = ()
            self._validated[client] = [name for name in names if await self._is_name_of_client(name)]
        return self._validated[client]

    async def _is_name_of_client(self, name: str) -> bool:
        try:
            found = await self._resolver.addresses(name, version=self._client.version)
        except DnsTemporaryError:
            return False
        return str(self._client) in {str(ipaddress.ip_address(address)) for address in found.records}

    async def values(self, text: str, domain: str) -> dict[str, str]:
        """What the macros in `text` stand for (RFC 7208 section 7.2)."""
        localpart, _, sender_domain = self._query.sender.rpartition("@")
        values = {
            "s": self._query.sender,
            "l": localpart,
            "o": sender_domain,
            "d": domain,
            "i": dotted(str(self._client)),
            "v": "in-addr" if self._client.version == 4 else "ip6",
            "h": self._query.helo,
        }
        letters = letters_in(text)
        if "p" in letters:
            values["p"] = await self._validated_name(domain)
        if letters & set(EXPLANATION_ONLY):
            values |= {"c": str(self._client), "r": self._query.receiver, "t": str(int(time.time()))}
        return values

    async def _validated_name(self, domain: str) -> str:
        """The domain itself where it is one, else one below it, else any, else "unknown"."""
        names = await self._validated_names()
        below = await self._names_under(domain)
        if any(name.lower() == domain.lower() for name in below):
            return domain
        return (below or names or ["unknown"])[0]

    def _count_lookup(self) -> None:
        self._lookups += 1
        if self._lookups > MAX_LOOKUPS:
            raise _PermanentError(f"more than {MAX_LOOKUPS} terms ask the DNS")

    def _counted(self, answer: Answer[T]) -> Answer[T]:
        if answer.is_void:
            self._voids += 1
            if self._voids > MAX_VOID_LOOKUPS:
                raise _PermanentError(f"more than {MAX_VOID_LOOKUPS} lookups found nothing")
        return answer


def _address(text: str) -> Address:
    """The address; an IPv4 one mapped into IPv6 is an IPv4 one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_domain(name: str) -> bool:
    """RFC 7208 section 4.3: at least two labels, none empty or of more than 63 octets."""
    labels = name.removesuffix(".").split(".")
    return len(labels) > 1 and name.isascii() and len(name) < 254 and all(0 < len(label) < 64 for label in labels)
