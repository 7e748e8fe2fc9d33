"""The server on real sockets, with the standard library's clients, on asyncio and on uvloop."""

import asyncio
import contextlib
import smtplib
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateways.smtp.host import Dialect
from tests.gateways.smtp.running_server import Wire

MAIL = b"From: bob@example.org\r\nSubject: hi\r\n\r\n.a line with a dot\r\n"


def test_smtplib_delivers_to_several_recipients_and_hears_of_the_refused_one(serve, reception):
    running = serve()
    with smtplib.SMTP(running.address, running.port, timeout=20) as client:
        refused = client.sendmail(
            "bob@example.org", ["ann@example.test", "nobody@example.test", "bea@example.test"], MAIL
        )

    assert refused == {"nobody@example.test": (550, b"5.1.1 No such mailbox here")}
    [(envelope, content)] = reception.mails()
    assert content == MAIL
    assert envelope.peer == "127.0.0.1"
    assert len(envelope.recipients) == 2


def test_stdlib_lmtp_delivers(serve, reception):
    running = serve(Dialect.LMTP)
    with smtplib.LMTP(running.address, running.port) as client:
        client.sendmail("bob@example.org", ["ann@example.test"], MAIL)

    [(envelope, content)] = reception.mails()
    assert (envelope.protocol, content) == ("LMTP", MAIL)


def test_mail_goes_through_starttls_and_the_envelope_tells(serve, reception, server_tls, client_tls):
    running = serve(ssl_context=server_tls)
    content = MAIL + b"z" * 300_000 + b"\r\n"
    with smtplib.SMTP(running.address, running.port, timeout=20) as client:
        client.starttls(context=client_tls)
        client.ehlo("mx.example.org")
        assert not client.has_extn("starttls")
        client.sendmail("bob@example.org", ["ann@example.test"], content)
        client.sendmail("bob@example.org", ["ann@example.test"], content)

    assert [stored for _envelope, stored in reception.mails()] == [content, content]
    envelope = reception.mails()[0][0]
    assert envelope.protocol == "ESMTPS"
    assert envelope.tls.startswith("TLSv1.3 TLS_")


def test_commands_smuggled_in_clear_before_the_handshake_are_not_obeyed(serve, server_tls, client_tls):
    """CVE-2011-0411."""
    running = serve(ssl_context=server_tls)
    wire = running.connect()
    wire.hear()
    wire.say("STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@example.org>\r\n")
    assert wire.hear().startswith("220 2.0.0")

    secured = Wire(client_tls.wrap_socket(wire.connection, server_hostname="127.0.0.1"))

    assert secured.say("RCPT TO:<ann@example.test>\r\n").hear().startswith("503 5.5.1")
    assert secured.say("MAIL FROM:<>\r\n").hear().startswith("503 5.5.1")
    assert secured.say("QUIT\r\n").hear().startswith("221")


@pytest.mark.parametrize("answer", [b"this is no handshake, certainly not\r\n" * 3, b""])
def test_a_handshake_that_fails_ends_the_session(serve, server_tls, answer):
    running = serve(ssl_context=server_tls)
    wire = running.connect()
    wire.hear()
    wire.say("STARTTLS\r\n").hear()
    wire.say(answer)
    wire.connection.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        while wire.connection.recv(1000):
            pass

    running.do(running.server.stop(deadline_s=20))
    assert running.server.connections == 0


def test_a_handshake_that_never_comes_does_not_keep_the_server_from_stopping(serve, server_tls):
    running = serve(ssl_context=server_tls)
    wire = running.connect()
    wire.hear()
    assert wire.say("STARTTLS\r\n").hear().startswith("220 2.0.0")

    running.do(running.server.stop(deadline_s=0.1))

    assert running.server.connections == 0


def test_a_pipelined_connection_that_is_half_closed_is_still_answered(serve, reception):
    running = serve()
    wire = running.connect()
    wire.say(b"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nBDAT %d LAST\r\n%s" % (len(MAIL), MAIL))
    wire.connection.shutdown(socket.SHUT_WR)

    heard = [wire.hear()[:3] for _ in range(6)]

    assert heard == ["220", "250", "250", "250", "250", ""]
    assert [content for _envelope, content in reception.mails()] == [MAIL]


def test_sixteen_large_mails_at_once_come_through_whole(serve, reception):
    running = serve()
    content = MAIL + b"".join(b"%078d\r\n" % number for number in range(50_000))

    def send(number: int) -> None:
        with smtplib.SMTP(running.address, running.port, timeout=60) as client:
            client.sendmail("bob@example.org", [f"u{number}@example.test"], content)

    with ThreadPoolExecutor(16) as senders:
        list(senders.map(send, range(16)))

    assert {stored for _envelope, stored in reception.mails()} == {content}
    assert len(reception.mails()) == 16
    assert reception.leftovers() == []


def test_mails_that_end_while_others_are_made_durable_are_accepted_together_after_them(serve, reception):
    running = serve()
    wires = [running.connect().all_in(f"u{number}") for number in range(9)]
    reception.gate.clear()
    wires[0].say(MAIL + b".\r\n")
    assert reception.is_accepting.wait(20)
    for wire in wires[1:]:
        wire.say(MAIL + b".\r\n")
    assert eventually(lambda: len(running.server.acceptances) == 8)
    reception.gate.set()

    assert [wire.hear()[:9] for wire in wires] == ["250 2.0.0"] * 9
    assert reception.together == [1, 8]
    assert len(reception.mails()) == 9


def test_a_mail_that_fails_among_others_fails_alone(serve, reception):
    running = serve()
    wires = [running.connect().all_in(f"u{number}") for number in range(3)]
    reception.gate.clear()
    wires[0].say(MAIL + b".\r\n")
    assert reception.is_accepting.wait(20)
    reception.room_bytes = len(MAIL)
    wires[1].say(MAIL + MAIL + b".\r\n")
    wires[2].say(MAIL + b".\r\n")
    assert eventually(lambda: len(running.server.acceptances) == 2)
    reception.gate.set()

    assert [wire.hear()[:9] for wire in wires] == ["250 2.0.0", "452 4.3.1", "250 2.0.0"]
    assert len(reception.mails()) == 2


def test_what_the_reception_remembers_of_recipients_is_answered_at_once(serve, reception):
    running = serve()
    wire = running.connect()
    wire.say("EHLO mx\r\nMAIL FROM:<>\r\n" + "RCPT TO:<Postmaster>\r\n" * 100 + "RSET\r\n")

    assert [wire.hear()[:3] for _ in range(104)] == ["220"] + ["250"] * 103
    assert len(reception.announced) == 100


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(serve, reception):
    running = serve()
    wire = running.connect().all_in()
    wire.say(b"x" * 500_000)
    wire.lines.close()
    wire.connection.close()

    running.do(running.server.stop(deadline_s=20))
    assert reception.mails() == []
    assert eventually(lambda: reception.leftovers() == [])


def test_a_client_that_leaves_while_its_content_is_written_leaves_nothing_behind(serve, reception):
    running = serve()
    wire = running.connect().all_in()
    reception.write_gate.clear()
    wire.say(b"x" * (running.server.host.limits.write_bytes + 50))
    assert reception.is_writing.wait(20)
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.lines.close()
    wire.connection.close()
    assert eventually(lambda: running.server.connections == 0)

    reception.write_gate.set()

    assert eventually(lambda: reception.leftovers() == [])
    assert reception.mails() == []


def test_a_client_that_does_not_read_its_replies_is_not_read_from(serve):
    running = serve(commands_without_mail=10_000_000)
    wire = running.connect()
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    wire.connection.settimeout(1.0)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 100_000_000:
            sent += wire.connection.send(b"HELP\r\n" * 10_000)

    assert sent < 20_000_000
    wire.connection.settimeout(20)
    assert wire.hear().startswith("220")
    assert wire.hear().startswith("214")
    wire.connection.close()


def test_too_many_connections_of_one_address_are_turned_away(serve):
    running = serve(connections_per_address=3)
    wires = [running.connect() for _ in range(4)]

    assert [wire.hear()[:9] for wire in wires] == ["220 mx.ex"] * 3 + ["421 4.7.0"]
    wires[0].say("QUIT\r\n").hear()
    assert wires[0].hear() == ""
    assert eventually(lambda: running.connect().hear().startswith("220"))


def test_new_connections_above_the_rate_are_turned_away(serve):
    running = serve(new_connections_per_s=5)
    heard = [running.connect().hear()[:3] for _ in range(30)]

    assert heard[:5] == ["220"] * 5
    assert "421" in heard


def test_who_talks_before_a_delayed_greeting_is_refused(serve):
    wire = serve(greeting_delay_s=20.0).connect().say("EHLO bot\r\n")

    assert wire.hear().startswith("554 5.5.1")
    assert wire.hear() == ""


def test_who_waits_for_a_delayed_greeting_is_greeted(serve):
    assert serve(greeting_delay_s=0.05).connect().hear().startswith("220")


def test_a_silent_client_is_told_and_let_go(serve):
    wire = serve(command_timeout_s=0.2).connect()
    wire.hear()

    assert wire.hear().startswith("421 4.4.2")
    assert wire.hear() == ""


def test_who_trickles_octets_is_let_go_by_the_overall_bound(serve, reception):
    running = serve(mail_timeout_s=1.5, command_timeout_s=1.0)
    wire = running.connect().all_in()
    began = time.monotonic()
    wire.connection.settimeout(0.1)
    heard = b""
    while not heard and time.monotonic() - began < 15:
        with contextlib.suppress(TimeoutError, BrokenPipeError):
            wire.connection.sendall(b"x")
            heard = wire.connection.recv(100)

    assert heard.startswith(b"421 4.4.2")
    assert reception.mails() == []


def test_stopping_ends_idle_sessions_and_lets_a_message_finish(serve, reception):
    running = serve()
    idle, sending, storing = running.connect(), running.connect().all_in(), running.connect().all_in()
    idle.hear()
    reception.gate.clear()
    storing.say("stored\r\n.\r\n")
    assert reception.is_accepting.wait(20)

    stopping = asyncio.run_coroutine_threadsafe(running.server.stop(deadline_s=30), running.loop)
    assert idle.hear().startswith("421 4.3.2")
    sending.say("sent\r\n.\r\n")
    reception.gate.set()

    for wire in (sending, storing):
        assert wire.hear().startswith("250 2.0.0")
        assert wire.hear().startswith("421 4.3.2")
    stopping.result(20)
    assert {content for _envelope, content in reception.mails()} == {b"sent\r\n", b"stored\r\n"}
    with pytest.raises(ConnectionRefusedError):
        running.connect()


def test_stopping_does_not_wait_beyond_the_deadline(serve, reception):
    running = serve()
    wire = running.connect().all_in()

    running.do(running.server.stop(deadline_s=0.1))

    assert wire.hear() == ""
    assert reception.mails() == []


def test_an_unforeseen_failure_is_reported_and_makes_the_sender_try_again(serve, reception):
    running = serve()
    reported = []
    running.loop.set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    reception.failure = RuntimeError("never seen before")
    wire = running.connect().all_in()

    assert wire.say("hi\r\n.\r\n").hear().startswith("451 4.3.0")
    assert reported == [reception.failure]


def eventually(condition) -> bool:
    """Whether `condition` comes true within 20 s."""
    until = time.monotonic() + 20
    while not condition():
        if time.monotonic() > until:
            return False
    return True
