"""SMTP behind a proxy: who is introduced is met as himself, and nothing but a whole header of a proxy introduces."""

import ipaddress

import pytest

from gateways.proxy.introductions import Introductions
from gateways.smtp.host import Dialect
from tests.proxy_headers import LOCAL, PROXY, V1, header, raw, tlv

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
STRANGERS = [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")]


@pytest.fixture
def behind(serve):
    """A server whose connections are all those of a proxy."""

    def begin(dialect=Dialect.SMTP, *, timeout_s=30.0, **options):
        return serve(dialect, introductions=Introductions(LOOPBACK, timeout_s=timeout_s), **options)

    return begin


def peer_of_a_mail(wire, reception) -> str:
    wire.all_in()
    assert wire.say(b"Subject: x\r\n\r\nx\r\n.\r\n").hear()[:3] == "250"
    return reception.mails()[-1][0].peer


@pytest.mark.parametrize("source", ["203.0.113.9", "2001:db8::7"])
@pytest.mark.parametrize("tail", [b"", tlv(5, bytes(500))])
def test_mail_comes_from_whom_the_proxy_names(behind, reception, source, tail) -> None:
    wire = behind().connect().say(header(source, tail=tail))
    assert peer_of_a_mail(wire, reception) == source


def test_a_header_and_what_follows_it_may_come_in_any_pieces(behind, reception) -> None:
    running = behind()
    together = header() + b"EHLO mx\r\n"
    wire = running.connect().say(together)
    assert [wire.hear()[:3] for _ in range(2)] == ["220", "250"]
    wire = running.connect()
    for octet in together:
        wire.say(bytes([octet]))
    assert [wire.hear()[:3] for _ in range(2)] == ["220", "250"]


def test_lmtp_is_introduced_too(behind, reception) -> None:
    wire = behind(Dialect.LMTP).connect().say(header("203.0.113.9"))
    wire.hear()
    wire.say("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n")
    assert [wire.hear()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    assert wire.say(b"Subject: x\r\n\r\nx\r\n.\r\n").hear()[:3] == "250"
    assert reception.mails()[0][0].peer == "203.0.113.9"


def test_tls_begins_after_the_introduction(behind, server_tls, client_tls) -> None:
    wire = behind(ssl_context=server_tls).connect().say(header())
    wire.hear()
    wire.say("EHLO mx\r\n").hear()
    assert wire.say("STARTTLS\r\n").hear()[:3] == "220"
    with client_tls.wrap_socket(wire.connection, server_hostname="127.0.0.1") as secured:
        secured.sendall(b"EHLO mx\r\n")
        assert secured.recv(3) == b"250"


def test_a_health_check_is_greeted_as_the_proxy_itself(behind, reception) -> None:
    wire = behind().connect().say(header("203.0.113.9", command=LOCAL))
    assert peer_of_a_mail(wire, reception) == "127.0.0.1"


@pytest.mark.parametrize(
    "said",
    [
        V1,
        b"EHLO mx\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(16),
        raw(0x11, 0x11, bytes(12)),
        raw(PROXY, 0x41, bytes(12)),
        raw(PROXY, 0x11, bytes(11)),
        raw(PROXY, 0x11, b"", length=65535),
        header(tail=b"\x01\xff\xff"),
    ],
)
def test_what_is_no_header_ends_the_connection_without_a_word(behind, reception, said) -> None:
    running = behind()
    wire = running.connect().say(said)
    assert wire.hear() == ""
    assert running.connect().say(header()).hear()[:3] == "220"


def test_who_says_nothing_or_half_a_header_is_not_waited_for(behind) -> None:
    running = behind(timeout_s=0.2)
    for half in (b"", header()[:20]):
        assert running.connect().say(half).hear() == ""


def test_a_header_from_elsewhere_is_not_believed(serve, reception) -> None:
    running = serve(introductions=Introductions(STRANGERS))
    wire = running.connect()
    assert wire.hear()[:3] == "220"
    assert wire.say(header("203.0.113.9")).hear()[:1] == "5"
    wire.connection.close()
    for said in (b"", V1):
        wire = running.connect().say(said)
        if said:
            assert [wire.hear()[:3] for _ in range(2)] == ["220", "500"]
            wire.say("EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n")
            assert [wire.hear()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
            assert wire.say(b"Subject: x\r\n\r\nx\r\n.\r\n").hear()[:3] == "250"
        else:
            peer_of_a_mail(wire, reception)
        assert reception.mails()[-1][0].peer == "127.0.0.1"


def test_connections_are_counted_by_client_and_not_by_proxy(behind) -> None:
    running = behind(connections_per_address=2, new_connections_per_s=1000)
    for last in (1, 2, 3):
        wires = [running.connect().say(header(f"203.0.113.{last}")) for _ in range(3)]
        assert [wire.hear()[:3] for wire in wires] == ["220", "220", "421"]


def test_the_network_of_an_ipv6_client_is_counted_as_one(behind) -> None:
    running = behind(connections_per_address=1)
    wires = [running.connect().say(header(f"2001:db8::{n}")) for n in (1, 2)]
    assert [wire.hear()[:3] for wire in wires] == ["220", "421"]


def test_a_stop_does_not_wait_for_who_was_not_introduced(behind) -> None:
    running = behind()
    wire = running.connect().say(header()[:10])
    greeted = running.connect().say(header())
    assert greeted.hear()[:3] == "220"
    running.do(running.server.stop(deadline_s=30))
    assert wire.hear() == ""


def test_a_proxy_is_known_by_address_or_network() -> None:
    known = Introductions(STRANGERS)
    for address in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        assert known.trust(address)
    for address in ("127.0.0.1", "192.0.3.7", "2001:db9::1", "fe80::1%eth0", "", "localhost"):
        assert not known.trust(address)
