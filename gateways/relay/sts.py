"""MTA-STS (RFC 8461): which hosts a domain says are its own, and whether they must prove it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.relay.dane import is_name

MAX_POLICY_BYTES = 64 * 1024
MAX_AGE_S = 31_557_600  # section 3.2
MAX_PATTERNS = 100
RETRY_MS = 300_000
"""A policy that could not be had is not asked for again so soon (section 3.3)."""
MAX_KNOWN = 10_000
_ID = re.compile(r"v=STSv1\s*;(?:[^;]*;)*?\s*id=([A-Za-z0-9]{1,32})\s*(?:;.*)?", re.DOTALL)


class PolicyInvalidError(Exception):
    """What the domain serves is no policy."""


class PolicyFetchError(Exception):
    """The domain's policy could not be had."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain says of its hosts (section 3.2). `mode`: enforce, testing or none."""

    mode: str
    hosts: tuple[str, ...]
    max_age_s: int

    def names(self, host: str) -> bool:
        """Whether the host is one of them (section 4.1)."""
        return any(is_name(pattern, host) for pattern in self.hosts)


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A policy's text under the id that the DNS told, until `expires_at` (unix milliseconds)."""

    policy_id: str
    text: str
    expires_at: int


class PolicyFetch(Protocol):
    """The HTTPS side (section 3.3)."""

    async def fetch(self, domain: str) -> str:
        """The policy's text.

        Raises: PolicyFetchError
        """
        ...


class PolicyStore(Protocol):
    """Where policies are kept over restarts."""

    async def get(self, domain: str) -> KeptPolicy | None:
        """What is kept for the domain."""
        ...

    async def put(self, domain: str, kept: KeptPolicy) -> None:
        """Keep it."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The policy of a domain, if it has one; `fault` is a type of RFC 8460 section 4.3.2 where one could not be had."""

    policy: Policy | None = None
    fault: str = ""


class StsPolicies:
    """The policies of domains, for one event loop."""

    def __init__(self, resolver: Resolver, fetch: PolicyFetch, store: PolicyStore, *, clock_ms: "ClockMs") -> None:
        self._resolver = resolver
        self._fetch = fetch
        self._store = store
        self._clock_ms = clock_ms
        self._failed: dict[str, tuple[int, str]] = {}

    async def of(self, domain: str) -> Found:
        """What holds for the domain now (section 5.1): a kept policy outlives a DNS or a host that is silent."""
        kept = await self._store.get(domain)
        if kept is not None and kept.expires_at <= self._clock_ms():
            kept = None
        announced = await self._announced(domain)
        if announced is None or (kept is not None and announced == kept.policy_id):
            return Found(_read(kept))
        until, fault = self._failed.get(domain, (0, ""))
        if until > self._clock_ms():
            return Found(_read(kept), fault)
        try:
            policy = await self._fetched(domain, announced)
        except (PolicyFetchError, PolicyInvalidError) as error:
            fault = "sts-policy-invalid" if isinstance(error, PolicyInvalidError) else "sts-policy-fetch-error"
            self._note_failure(domain, fault)
            return Found(_read(kept), fault)
        return Found(policy)

    async def _announced(self, domain: str) -> str | None:
        """The id in the DNS (section 3.1)."""
        try:
            records = (await self._resolver.txt(f"_mta-sts.{domain}")).records
        except DnsTemporaryError:
            return None
        return announced_id(records)

    async def _fetched(self, domain: str, policy_id: str) -> Policy:
        text = await self._fetch.fetch(domain)
        policy = policy_of(text)
        expires_at = self._clock_ms() + policy.max_age_s * 1000
        await self._store.put(domain, KeptPolicy(policy_id, text, expires_at))
        return policy

    def _note_failure(self, domain: str, fault: str) -> None:
        if len(self._failed) >= MAX_KNOWN:
            self._failed.clear()
        self._failed[domain] = self._clock_ms() + RETRY_MS, fault


class ClockMs(Protocol):
    """Unix milliseconds."""

    def __call__(self) -> int: ...


def announced_id(records: Sequence[bytes]) -> str | None:
    """The id of a domain's one record; none where it has none or several."""
    texts = [record.decode("latin-1") for record in records if record.startswith(b"v=STSv1")]
    found = [match[1] for text in texts if (match := _ID.fullmatch(text)) is not None]
    return found[0] if len(texts) == 1 and found else None


def policy_of(text: str) -> Policy:
    """The policy that the text spells.

    Raises: PolicyInvalidError
    """
    first: dict[str, str] = {}
    hosts: list[str] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            continue
        if key.strip() == "mx":
            hosts.append(value.strip())
        else:
            first.setdefault(key.strip(), value.strip())
    age = first.get("max_age", "")
    mode = first.get("mode", "")
    if first.get("version") != "STSv1" or mode not in ("enforce", "testing", "none"):
        raise PolicyInvalidError("neither version nor mode can be read")
    if not (age.isascii() and age.isdigit() and len(age) <= 10) or (mode != "none" and not hosts):
        raise PolicyInvalidError("no max_age or no mx")
    return Policy(mode, tuple(hosts[:MAX_PATTERNS]), min(int(age), MAX_AGE_S))


def _read(kept: KeptPolicy | None) -> Policy | None:
    if kept is None:
        return None
    try:
        return policy_of(kept.text)
    except PolicyInvalidError:
        return None
