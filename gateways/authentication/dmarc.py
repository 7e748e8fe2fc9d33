"""DMARC (RFC 9989): whether a message comes from the domain that its From names, and what that domain asks for if not.

Organizational domains are found by the tree walk of section 4.10; no list of public suffixes is needed.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateways.authentication.dmarc_record import NONE, POLICIES, DmarcRecord, is_dmarc, read_record
from gateways.authentication.dns import DnsTemporaryError, Resolver

MAX_LABELS = 7
"""Labels of the second name that a walk asks about, so that it asks eight times at most (section 4.10)."""
METHODS = ("dkim", "spf")
TIMEOUT_S = 20.0
EVALUATION_TIMEOUT_S = 8.0


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that SPF or DKIM looked at, and what came of it: pass, temperror or anything else."""

    method: str
    domain: str
    result: str


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """none (no policy), pass, fail, temperror or permerror; for a fail what the domain asks for."""

    result: str
    author_domain: str = ""
    policy: str = NONE
    """none, quarantine or reject: to be applied where the result is fail."""
    reason: str = ""
    policy_domain: str = ""
    """Where the record was found."""
    proofs: tuple[str, ...] = ()
    """By which methods the author's domain was proven: dkim, spf."""

    @property
    def aligned(self) -> str:
        """The first of `proofs`."""
        return self.proofs[0] if self.proofs else ""


@dataclass(frozen=True, slots=True)
class Walk:
    """What stands on the way from a domain to the root."""

    start: str
    records: tuple[tuple[str, DmarcRecord], ...]
    """The longest name first."""

    @property
    def organization(self) -> str:
        """The organizational domain (section 4.10.2)."""
        for name, record in self.records:
            if record.suffix == "n":
                return name
            if record.suffix == "y" and name != self.start:
                labels = self.start.split(".")
                return ".".join(labels[-(name.count(".") + 2) :])
        return self.records[-1][0] if self.records else self.start

    @property
    def governing(self) -> tuple[str, DmarcRecord] | None:
        """The record that governs the domain: its own, its organization's, its public suffix's (section 4.10.1)."""
        known = dict(self.records)
        suffixes = [name for name, record in self.records if record.suffix == "y"]
        for name in (self.start, self.organization, *suffixes):
            if name in known:
                return name, known[name]
        return None


async def discover(resolver: Resolver, author_domain: str, *, timeout_s: float = TIMEOUT_S) -> Walk | DmarcResult:
    """What governs mail whose From is of this domain (A-labels, lower case), or the temperror that it comes to."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _walk(resolver, author_domain)
    except (DnsTemporaryError, TimeoutError) as error:
        return _unsure(author_domain, error)


async def evaluate(
    resolver: Resolver, walk: Walk, identifiers: Sequence[Identifier], *, timeout_s: float = EVALUATION_TIMEOUT_S
) -> DmarcResult:
    """What DMARC says of a message, given what was discovered for its author's domain and what SPF and DKIM found."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _evaluated(resolver, walk, identifiers)
    except (DnsTemporaryError, TimeoutError) as error:
        return _unsure(walk.start, error)


def _of(identifiers: Iterable[Identifier], method: str) -> list[Identifier]:
    return [one for one in identifiers if one.method == method]


def _unsure(author_domain: str, error: Exception) -> DmarcResult:
    return DmarcResult("temperror", author_domain, reason=str(error) or "the DNS took too long")


async def _evaluated(resolver: Resolver, walk: Walk, identifiers: Sequence[Identifier]) -> DmarcResult:
    author = walk.start
    if walk.governing is None:
        return DmarcResult("none", author)
    name, record = walk.governing
    passed = [one for one in identifiers if one.result == "pass"]
    proofs = tuple([method for method in METHODS if await _aligned(resolver, walk, record, _of(passed, method))])
    if proofs:
        return DmarcResult("pass", author, policy_domain=name, proofs=proofs)
    unsure = await _aligned(resolver, walk, record, [one for one in identifiers if one.result == "temperror"])
    if unsure is not None:
        return DmarcResult("temperror", author, policy_domain=name, reason=f"{unsure.method} could not be checked now")
    asked = await _asked(resolver, walk, name, record)
    return DmarcResult("fail", author, milder(asked) if record.is_test else asked, policy_domain=name)


def milder(policy: str) -> str:
    """One step milder."""
    return POLICIES[max(POLICIES.index(policy) - 1, 0)]


async def _asked(resolver: Resolver, walk: Walk, name: str, record: DmarcRecord) -> str:
    """Section 4.7: p for the domain itself, sp for those below it, np for those that are not there."""
    if name == walk.start:
        return record.policy
    if record.missing != record.subdomains and not await _exists(resolver, walk.start):
        return record.missing
    return record.subdomains


async def _exists(resolver: Resolver, domain: str) -> bool:
    """Whether it has any record of those that mail is sent by (section 3.2)."""
    four, six, hosts = await asyncio.gather(
        resolver.addresses(domain, version=4), resolver.addresses(domain, version=6), resolver.mail_hosts(domain)
    )
    return not (four.is_void and six.is_void and hosts.is_void)


async def _aligned(
    resolver: Resolver, walk: Walk, record: DmarcRecord, identifiers: Iterable[Identifier]
) -> Identifier | None:
    """The first that is aligned with the author's domain (section 4.4)."""
    for one in identifiers:
        if one.domain.lower() == walk.start:
            return one
    for one in identifiers:
        is_strict = record.is_spf_strict if one.method == "spf" else record.is_dkim_strict
        if not is_strict and await _is_of(resolver, one.domain.lower(), walk.organization):
            return one
    return None


async def _is_of(resolver: Resolver, domain: str, organization: str) -> bool:
    """Whether the domain's organization is this one; nobody is asked where it cannot be."""
    if domain != organization and not domain.endswith(f".{organization}"):
        return False
    return (await _walk(resolver, domain)).organization == organization


async def _walk(resolver: Resolver, domain: str) -> Walk:
    """The tree walk (section 4.10): from the domain to the root, eight questions at most."""
    found = []
    for name in _names(domain):
        record = await _record(resolver, name)
        if record is not None and ("." in name or record.suffix == "y"):  # no organization is a top-level domain
            found.append((name, record))
            if record.suffix in ("y", "n"):
                break
    return Walk(domain, tuple(found))


def _names(domain: str) -> list[str]:
    labels = domain.split(".")
    above = labels[1:][-MAX_LABELS:]
    return [domain, *(".".join(above[at:]) for at in range(len(above)))]


async def _record(resolver: Resolver, name: str) -> DmarcRecord | None:
    """The record of this very name; several are none."""
    texts = [text for text in (await resolver.txt(f"_dmarc.{name}")).records if is_dmarc(text)]
    return read_record(texts[0]) if len(texts) == 1 else None
