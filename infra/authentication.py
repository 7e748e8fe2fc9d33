"""Who looks at mail while its sender is still there: made from the settings."""

from gateways.authentication.overrides import Trust
from gateways.authentication.verdict import Authenticator
from gateways.reputation.dns_lists import DnsLists
from gateways.screening import Screener
from infra.dns_resolver import DnsResolver, system_resolver
from infra.settings import Settings


def resolver(settings: Settings) -> DnsResolver:
    """The DNS, for one event loop."""
    return DnsResolver(settings.dns or system_resolver(), trusted=settings.dns_trusted == "yes")


def doorkeeper(settings: Settings) -> DnsLists:
    """Who looks up the addresses that connect, for one event loop."""
    return DnsLists(resolver(settings), block=settings.dnsbl, allow=settings.dnswl)


def screener(settings: Settings) -> Screener:
    """Those who look at mail, for one event loop."""
    trust = Trust(frozenset(settings.trusted_sealers), frozenset(settings.known_lists))
    return Authenticator(resolver(settings), trust)
