"""The client of a clamd: the conversation with a small server, and with one that fails in every way."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from gateways.virus.scanning import CLEAN, TOO_LARGE, Scan, ScannerAwayError
from infra.settings_readers import ListenAddress, listen_address
from infra.turnstile import Turnstile
from infra.virus.clamd import Clamd
from tests.clamd_server import EICAR, THREAT, ClamdServer, clamd_server
from tests.contracts.virus_scanner import ScannerContract, pieces, scanned

LINES = {
    "nothing": b"",
    "half a reply": b"stream: OK",
    "garbage": b"\xff" * 10_000,
    "an endless reply": b"x" * 100_000 + b"\0",
    "another word": b"stream: FINE\0",
    "an error": b"stream: Can't allocate memory ERROR\0",
}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[ClamdServer]:
    with clamd_server() as server:
        yield server


@pytest.fixture
def address(server: ClamdServer) -> ListenAddress:
    return listen_address(server.address)


@pytest.fixture
def clamd(address: ListenAddress) -> Clamd:
    return Clamd(address)


class TestOwnClamd(ScannerContract):
    """The contract of tests/contracts/virus_scanner.py."""


@pytest.fixture(params=list(LINES))
def liar(request: pytest.FixtureRequest) -> Iterator[ListenAddress]:
    """Who says one thing to everybody, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(LINES[request.param])

        thread = threading.Thread(target=serve)
        thread.start()
        yield listen_address(f"127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_the_reply_is_read_as_it_stands(server: ClamdServer, clamd: Clamd) -> None:
    assert scanned(clamd, EICAR[:20], EICAR[20:]) == Scan("infected", THREAT)
    server.says = b"instream(127.0.0.1@4711): Win.Test FOUND in it FOUND"
    assert scanned(clamd, b"x") == Scan("infected", "Win.Test FOUND in it")
    server.says = b"stream: " + b"\x07\n" + b"n" * 3000 + b" FOUND"
    assert scanned(clamd, b"x") == Scan("infected", ("??" + "n" * 3000)[:200])


def test_content_larger_than_it_takes_is_told_apart_from_a_failure(server: ClamdServer, clamd: Clamd) -> None:
    server.largest_bytes = 100_000
    assert scanned(clamd, *([b"x" * 65_536] * 200)) == Scan(TOO_LARGE)
    assert scanned(clamd, b"x") == Scan(CLEAN)


def test_whoever_answers_something_else_has_found_nothing_out(liar: ListenAddress) -> None:
    with pytest.raises(ScannerAwayError):
        scanned(Clamd(liar), EICAR)
    with pytest.raises(ScannerAwayError):
        asyncio.run(Clamd(liar).check())


def test_where_nobody_listens_it_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listen_address(f"127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(ScannerAwayError, match="does not answer"):
        scanned(Clamd(address), EICAR)


def test_after_a_failure_nobody_asks_for_a_while(server: ClamdServer, address: ListenAddress) -> None:
    clock = Clock()
    clamd = Clamd(address, turnstile=Turnstile(ScannerAwayError, at_once=100, clock=clock))
    server.says = b"stream: broken ERROR"
    with pytest.raises(ScannerAwayError, match="broken"):
        scanned(clamd, EICAR)
    server.says = b""
    with pytest.raises(ScannerAwayError, match="a moment ago"):
        scanned(clamd, EICAR)
    assert server.scanned == 1
    clock.now += 2
    assert scanned(clamd, EICAR).verdict == "infected"


def test_content_that_takes_too_long_is_no_fault_of_the_scanner(server: ClamdServer, address: ListenAddress) -> None:
    clamd = Clamd(address, scan_s=0.05)
    server.answers.clear()
    assert scanned(clamd, b"x") == Scan(TOO_LARGE)
    server.answers.set()
    assert scanned(Clamd(address), b"x") == Scan(CLEAN)
    asyncio.run(clamd.version())  # nobody was turned away


def test_content_that_cannot_be_read_is_no_fault_of_the_scanner(clamd: Clamd) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError("the store")

    with pytest.raises(ConnectionResetError, match="the store"):
        asyncio.run(clamd.scan(broken()))
    assert scanned(clamd, b"x") == Scan(CLEAN)


def test_many_are_scanned_side_by_side_on_one_loop(server: ClamdServer, clamd: Clamd) -> None:
    async def all_of_them() -> list[Scan]:
        return await asyncio.gather(*(clamd.scan(pieces([EICAR if n % 2 else b"x"])) for n in range(20)))

    assert [found.verdict for found in asyncio.run(all_of_them())] == ["clean", "infected"] * 10
