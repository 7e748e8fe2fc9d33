"""Which hosts of a domain are tried, and in which order, by a real DNS."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from gateways.relay.routing import MAX_HOSTS, MailHost, NoRouteYetError, Routing
from infra.dns_resolver import DnsResolver
from infra.relay.network import MachineNetwork
from tests.dns_zone import Zone, serving


def hosts(zone: Zone, shuffle: Callable[[list[tuple[int, str]]], None]) -> Sequence[MailHost]:
    async def found() -> Sequence[MailHost]:
        resolver = DnsResolver(server, tries_s=(1.0, 2.0))
        network = MachineNetwork([], port=25, is_test_world=True)
        return await Routing(resolver, network, hostname="mx.example.test", shuffle=shuffle).hosts("far.test")

    with serving(zone) as server:
        return asyncio.run(found())


def test_of_a_hundred_hosts_of_one_preference_some_are_drawn_and_not_always_the_same() -> None:
    names = [f"mx{number:03}.far.test" for number in range(100)]
    zone = Zone({"far.test": [("MX", (10, name)) for name in names]})
    for name in names:
        zone.put(name, [("A", "127.0.0.2")])
    first = [host.name for host in hosts(zone, lambda drawn: drawn.sort())]
    last = [host.name for host in hosts(zone, lambda drawn: drawn.sort(reverse=True))]
    assert (first, last) == (names[:MAX_HOSTS], names[::-1][:MAX_HOSTS])


def test_the_order_of_preference_stands_above_the_draw() -> None:
    zone = Zone({"far.test": [("MX", (20, "b.far.test")), ("MX", (10, "a.far.test"))]})
    for name in ("a.far.test", "b.far.test"):
        zone.put(name, [("A", "127.0.0.2")])
    assert [host.name for host in hosts(zone, lambda drawn: drawn.reverse())] == ["a.far.test", "b.far.test"]


def test_names_that_lead_in_a_circle_lead_nowhere_for_now() -> None:
    zone = Zone(
        {
            "far.test": [("MX", (10, "one.far.test"))],
            "one.far.test": [("CNAME", "two.far.test")],
            "two.far.test": [("CNAME", "one.far.test")],
        }
    )
    with pytest.raises(NoRouteYetError, match=r"4\.4\.3"):
        hosts(zone, lambda _drawn: None)
