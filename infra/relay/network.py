"""Which addresses are this installation's own, and which may be mailed to."""

import ipaddress
import socket
from collections.abc import Sequence

from domain.reserved_names import is_reserved
from infra.settings import Settings
from infra.settings_readers import ListenAddress

DNS_PORT = 53


class MachineNetwork:
    """The port `gateways.relay.routing.Network`; see there. `listening`: where mail comes in; `port`: where it goes."""

    def __init__(self, listening: Sequence[ListenAddress], *, port: int, is_test_world: bool = False) -> None:
        self._listening = listening
        self._port = port
        self._is_test_world = is_test_world

    def is_ours(self, address: str) -> bool:
        """Whether mail sent there would come back to one of our doors."""
        doors = [door for door in self._listening if door.port == self._port]
        return any(self._is_at(door, ipaddress.ip_address(address)) for door in doors)

    def may_reach(self, address: str) -> bool:
        """Whether it is a public one. Private ones are reached in a test world, whose names are its own."""
        found = _unmapped(ipaddress.ip_address(address))
        if self._is_test_world:
            return not (found.is_multicast or found.is_unspecified)
        return found.is_global and not found.is_multicast

    def may_name(self, domain: str) -> bool:
        """Whether somebody has the name. In a test world reserved ones lead somewhere."""
        return self._is_test_world or not is_reserved(domain)

    @staticmethod
    def _is_at(door: ListenAddress, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        try:
            bound = ipaddress.ip_address(door.host)
        except ValueError:
            return door.is_loopback and address.is_loopback
        return _unmapped(address) == _unmapped(bound) if not bound.is_unspecified else _is_local(str(address))


def network(settings: Settings) -> MachineNetwork:
    """As the settings describe it: a resolver on loopback that is none of the system's makes a test world."""
    dns = settings.dns
    is_test_world = dns is not None and dns.is_loopback and dns.port != DNS_PORT
    return MachineNetwork([settings.smtp, settings.lmtp], port=settings.relay_port, is_test_world=is_test_world)


def _unmapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one stands for (RFC 4291 section 2.5.5.2)."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_local(address: str) -> bool:
    """Whether an interface of this machine has it: only such an address can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
