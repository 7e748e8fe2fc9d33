"""What TLS with a host must prove: DANE (RFC 7672) before MTA-STS (RFC 8461) before whatever can be had (RFC 7435).

`ways` says in which forms a host may be tried, the best first: each is a connection of its own, the next one is tried
where TLS failed in the one before.
"""

import datetime
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.relay.dane import Tlsa, chain_of, proves
from gateways.relay.routing import MailHost
from gateways.relay.session import Handshake, HostFailedError, TlsFailedError
from gateways.relay.sts import Found, StsPolicies

NO_POLICY, STS, TLSA = "no-policy-found", "sts", "tlsa"
"""Kinds of policy in reports (RFC 8460 section 4.4)."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How a host may be tried, and under which policy; None is in clear."""

    policy: str
    handshakes: tuple[Handshake | None, ...]
    fault: str = ""
    """What is wrong with the policy itself, for the reports."""


class Security:
    """Decides how hosts are tried. `authorities`: a file of those believed about names, instead of the usual ones."""

    def __init__(self, resolver: Resolver, policies: StsPolicies, *, port: int, authorities: str | None = None) -> None:
        self._resolver = resolver
        self._policies = policies
        self._port = port
        self._authorities = authorities

    async def of_domain(self, domain: str) -> Found:
        """Its MTA-STS policy, once an attempt."""
        return await self._policies.of(domain)

    async def ways(self, domain: str, host: MailHost, sts: Found) -> Ways:
        """How the host may be tried.

        Raises: HostFailedError: not at all.
        """
        records = await self._tlsa(host)
        if records is not None:
            return Ways(TLSA, (_proven_by(records, (host.name, domain)),))
        policy = sts.policy
        if policy is None or policy.mode == "none":
            return Ways(NO_POLICY, (_any(), None), sts.fault)
        if not policy.names(host.name):
            if policy.mode == "enforce":
                raise TlsFailedError(
                    f"451 4.7.5 {host.name} is none of the hosts of {domain}'s policy", "validation-failure"
                )
            return Ways(STS, (_any(), None), "validation-failure")
        named = Handshake(is_needed=True, context=_verifying(self._authorities))
        if policy.mode == "enforce":
            return Ways(STS, (named,), sts.fault)
        return Ways(STS, (named, _any(), None), sts.fault)

    async def _tlsa(self, host: MailHost) -> Sequence[Tlsa] | None:
        """The host's records where DNSSEC proves them, usable or not; None where the host has none."""
        if not host.is_proven:
            return None
        try:
            answer = await self._resolver.tlsa(f"_{self._port}._tcp.{host.name}")
        except DnsTemporaryError as error:  # section 2.2: then the host is not to be used
            raise HostFailedError(f"451 4.7.5 {host.name}: its TLSA records cannot be had: {error}") from error
        if not answer.authenticated or not answer.records:
            return None
        return [Tlsa(*record) for record in answer.records]


def _any() -> Handshake:
    return Handshake(is_needed=False, context=_unverified())


def _proven_by(records: Sequence[Tlsa], names: Sequence[str]) -> Handshake:
    usable = [record for record in records if record.is_usable]
    if not usable:  # RFC 7672 section 2.2: encrypted, by whomever
        return Handshake(is_needed=True, context=_unverified())

    def check(tls: ssl.SSLObject) -> None:
        if not proves(usable, chain_of(tls), names, now=datetime.datetime.now(datetime.UTC)):
            raise TlsFailedError(
                f"451 4.7.5 {names[0]} has not the certificate of its TLSA records", "validation-failure"
            )

    return Handshake(is_needed=True, context=_unverified(), check=check)


@lru_cache(maxsize=1)
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # who the host is shows in its records, or is not known at all
    return context


@lru_cache(maxsize=8)
def _verifying(authorities: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authorities)
