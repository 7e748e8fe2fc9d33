"""Submission on real sockets, on asyncio and uvloop: TLS from the first octet, and an end that waits for no guesser."""

import asyncio
import contextlib
import gc
import ipaddress
import smtplib
import socket
import ssl
import sys
import threading

import pytest

from gateways.proxy.introductions import Introductions
from gateways.submission.tarpit import Tarpit
from tests.gateways.submission.conftest import ANN, SECRET, plain
from tests.proxy_headers import header

MAIL = b"From: ann@example.test\r\n\r\nHello\r\n"


@contextlib.contextmanager
def secured(running, client_tls, *, before: bytes = b"", pieces: int = 1 << 20):
    """A connection that says `before` in clear and then shakes hands, so many octets at a time."""
    with socket.create_connection((running.address, running.port), timeout=30) as plain_socket:
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_tls.wrap_bio(coming, going, server_hostname="127.0.0.1")

        def send(data: bytes) -> None:
            for at in range(0, len(data), pieces):
                plain_socket.sendall(data[at : at + pieces])

        def until_done(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    send(going.read())
                    coming.write(plain_socket.recv(65536))

        plain_socket.sendall(before)
        until_done(tls.do_handshake)
        send(going.read())
        yield lambda: until_done(lambda: tls.read(65536)).decode()


def test_the_handshake_comes_before_the_greeting_each_time(submission, client_tls, house):
    running = submission(begins_with_tls=True)
    for _again in range(30):
        with smtplib.SMTP_SSL(running.address, running.port, context=client_tls, timeout=30) as client:
            client.login(ANN.address, SECRET)
            client.sendmail(ANN.address, ["bob@example.test"], MAIL)
    assert [(one[1].protocol, one[2]) for one in house.taken] == [("ESMTPSA", MAIL)] * 30
    assert house.taken[0][1].tls.startswith("TLSv1.3 TLS_")


@pytest.mark.parametrize("pieces", [1, 7, 100])
def test_the_handshake_may_come_in_pieces(submission, client_tls, pieces):
    with secured(submission(begins_with_tls=True), client_tls, pieces=pieces) as hear:
        assert hear().startswith("220 mx.example.test ")


def test_behind_a_proxy_the_handshake_follows_the_introduction(submission, client_tls):
    proxies = Introductions([ipaddress.ip_network("127.0.0.0/8")])
    with secured(submission(begins_with_tls=True, introductions=proxies), client_tls, before=header()) as hear:
        assert hear().startswith("220 mx.example.test ")


def test_whoever_is_no_proxy_shakes_hands_at_once(submission, client_tls):
    proxies = Introductions([ipaddress.ip_network("192.0.2.0/24")])
    with secured(submission(begins_with_tls=True, introductions=proxies), client_tls) as hear:
        assert hear().startswith("220 mx.example.test ")


def test_what_is_no_handshake_ends_the_connection_and_nothing_else(submission, client_tls):
    running = submission(begins_with_tls=True)
    with running.connect().connection as wire:
        wire.sendall(b"EHLO laptop\r\nQUIT\r\n")
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while data := wire.recv(100):
                said += data
        assert b"220" not in said
    with secured(running, client_tls) as hear:
        assert hear().startswith("220 ")


def test_who_goes_before_the_handshake_is_forgotten(submission):
    running = submission(begins_with_tls=True)
    for said in (b"", b"\x16\x03\x01"):
        with running.connect().connection as wire:
            wire.sendall(said)
    running.do(running.server.stop(deadline_s=20))
    assert running.server.connections == 0


@pytest.mark.parametrize("begins_with_tls", [True, False])
def test_a_server_that_has_stopped_left_no_handshake_on_its_loop(submission, monkeypatch, caplog, begins_with_tls):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    running = submission(begins_with_tls=begins_with_tls)
    with running.connect().connection as wire:
        wire.sendall(b"\x16\x03\x01" if begins_with_tls else b"EHLO laptop\r\nSTARTTLS\r\n")
        while not running.do(_is_shaking_hands()):
            pass
        for _turn in range(10):  # of the loop: the octets are handed over some turns later
            running.do(_is_shaking_hands())
        running.stop_and_halt()
    gc.collect()
    assert [one.exc_value for one in unraisable] == []
    assert caplog.messages == []


async def _is_shaking_hands():
    return any("start_tls" in str(task.get_coro()) for task in asyncio.all_tasks())


def test_a_sign_in_behind_starttls_is_answered(submission, client_tls, house):
    running = submission()
    with smtplib.SMTP(running.address, running.port, timeout=30) as client:
        client.starttls(context=client_tls)
        assert client.login(ANN.address, SECRET)[0] == 235
        client.sendmail(ANN.address, ["bob@example.test"], MAIL + b"x" * 300_000 + b"\r\n")
    assert len(house.taken[0][2]) > 300_000


def test_the_end_of_the_server_waits_for_no_guesser(submission):
    has_failed = threading.Event()

    def clock_s() -> float:
        has_failed.set()
        return 0.0

    running = submission(tarpit=Tarpit(first_s=3600, longest_s=3600, clock_s=clock_s))
    wire = running.connect()
    wire.hear()
    assert wire.say("EHLO laptop\r\n").hear().startswith("250 ")
    wire.say(f"AUTH PLAIN {plain(ANN.address, 'wrong')}\r\n")
    assert has_failed.wait(30)
    running.do(running.server.stop(deadline_s=3600))
    assert [wire.hear()[:9], wire.hear()[:9]] == ["535 5.7.8", "421 4.3.2"]
