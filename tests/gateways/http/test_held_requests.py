"""Waiting at `/sync` octet by octet: what is sent, in what order, on which connection."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import httpx
import msgspec
import pytest

from gateways.http.waiting_clients import CHECKED_EVERY, KEEPALIVE_S
from gateways.http.waiting_room import Place
from tests.http_house import House, Person, mail

SSE = "Accept: text/event-stream"


class Wire:
    """A connection as its octets."""

    def __init__(self, connection: socket.socket, read: BinaryIO) -> None:
        self.connection = connection
        self._read = read

    def ask(self, person: Person, target: str, *fields: str, version: str = "1.1") -> None:
        lines = (f"GET {target} HTTP/{version}", "Host: x", f"Authorization: Bearer {person.token}", *fields)
        self.connection.sendall("\r\n".join((*lines, "", "")).encode())

    def head(self) -> dict[str, str]:
        """Status and header fields."""
        lines = list(iter(self._read.readline, b"\r\n"))
        assert lines, "the connection is at its end"
        assert b"" not in lines
        pairs = (line.decode().rstrip("\r\n").split(": ", 1) for line in lines[1:])
        return {"status": lines[0].decode().split()[1]} | {name.lower(): value for name, value in pairs}

    def answer(self) -> tuple[dict[str, str], bytes]:
        head = self.head()
        return head, self._read.read(int(head["content-length"]))

    def chunk(self) -> bytes:
        """A part of the stream; empty at its end."""
        found = self._read.read(int(self._read.readline(), 16))
        assert self._read.readline() == b"\r\n"
        return found

    def rest(self) -> bytes:
        return self._read.read()


@contextmanager
def wire(house: House, *, buffered_bytes: int = 2**16) -> Iterator[Wire]:
    """A connection; what its client has yet to read fills no more than this at its end."""
    with socket.socket() as connection:
        connection.settimeout(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffered_bytes)
        connection.connect(("127.0.0.1", httpx.URL(house.url).port or 0))
        with connection.makefile("rb") as read:
            yield Wire(connection, read)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def waiting(house: House) -> int:
    return house.app.parts.waiters.count


def readings(house: House) -> float:
    found = re.search(r"^ledgermail_sync_seconds_count (\S+)$", house.http.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize("form", ["&wait=30", "&wait=30&fold=true", ""])
def test_one_reading_serves_all_who_wait_at_the_same_place(house: House, ann: Person, form: str) -> None:
    since = ann.head()
    with ExitStack() as closing:
        wires = [closing.enter_context(wire(house)) for _ in range(20)]
        for one in wires:
            one.ask(ann, f"/v1/sync?since={since}{form}", *([] if form else [SSE]))
        until(lambda: waiting(house) == len(wires))
        before = readings(house)
        ann.bring(mail("News"))
        told = {one.answer()[1] if form else _first_event(one) for one in wires}
        assert len(told) == 1
        assert b"News" in told.pop()
        assert readings(house) == before + 1
    until(lambda: waiting(house) == 0)


def _first_event(one: Wire) -> bytes:
    one.head()
    return one.chunk()


@pytest.mark.parametrize("fields", [(), ("Accept-Encoding: gzip",)])
def test_who_waited_is_answered_as_who_did_not(house: House, ann: Person, fields: tuple[str, ...]) -> None:
    since = ann.head()
    with wire(house) as one:
        one.ask(ann, f"/v1/sync?since={since}&wait=30", *fields)
        until(lambda: waiting(house) == 1)
        _change_much(ann, 0)
        waited, body = one.answer()
        one.ask(ann, f"/v1/sync?since={since}", *fields)
        head, same_body = one.answer()
    assert body == same_body
    assert waited.pop("date")
    assert head.pop("date")
    assert waited.pop("x-request-id") != head.pop("x-request-id")
    assert waited == head
    assert ("content-encoding" in waited) == bool(fields)


def test_a_request_behind_one_that_waits_is_answered_after_it(house: House, ann: Person) -> None:
    since = ann.head()
    with wire(house) as one:
        one.ask(ann, f"/v1/sync?since={since}&wait=30")
        one.ask(ann, f"/v1/sync?since={since}&limit=1&wait=30")
        one.ask(ann, "/healthz")
        until(lambda: waiting(house) == 1)
        ann.bring(mail("News"))
        assert b"News" in one.answer()[1]
        assert b"News" in one.answer()[1]
        assert one.answer()[1] == b'{"status":"ok"}'


@pytest.mark.parametrize(("version", "field"), [("1.1", "Connection: close"), ("1.0", "X: y")])
def test_a_connection_ends_after_the_answer_where_its_client_wished(
    house: House, ann: Person, version: str, field: str
) -> None:
    with wire(house) as one:
        one.ask(ann, f"/v1/sync?since={ann.head()}&wait=30", field, version=version)
        until(lambda: waiting(house) == 1)
        ann.bring(mail("News"))
        head, body = one.answer()
        assert head["connection"] == "close"
        assert b"News" in body
        assert one.rest() == b""


def test_a_head_request_waits_for_nothing(house: House, ann: Person) -> None:
    for headers in ({}, {"Accept": "text/event-stream"}):
        answer = ann.http.head("/v1/sync", params={"since": ann.head(), "wait": 30}, headers=headers, timeout=5)
        assert (answer.status_code, answer.content) == (200, b"")


def test_who_waited_in_vain_asks_again_on_the_same_connection(house: House, ann: Person) -> None:
    since = ann.head()
    with wire(house) as one:
        for _ in range(2):
            one.ask(ann, f"/v1/sync?since={since}&wait=0.05")
            assert msgspec.json.decode(one.answer()[1])["events"] == []
        one.ask(ann, f"/v1/sync?since={since}&wait=30")
        until(lambda: waiting(house) == 1)
        ann.bring(mail("News"))
        assert b"News" in one.answer()[1]


def test_a_stream_whose_client_leaves_is_watched_no_more(house: House, ann: Person) -> None:
    with wire(house) as one:
        one.ask(ann, f"/v1/sync?since={ann.head()}", SSE)
        until(lambda: waiting(house) == 1)
    until(lambda: waiting(house) == 0)
    ann.bring(mail("To nobody"))


def test_a_stream_where_nothing_is_new_ends_within_a_minute_of_its_token(house: House, ann: Person) -> None:
    with wire(house) as one:
        one.ask(ann, f"/v1/sync?since={ann.head()}", SSE)
        one.head()
        until(lambda: waiting(house) == 1)
        for _ in range(CHECKED_EVERY):
            a_beat_later(house, ann)
            assert one.chunk() == b": still here\n\n"
        ann.end_sessions_unheard()
        for _ in range(CHECKED_EVERY):
            a_beat_later(house, ann)
            assert one.chunk() == b": still here\n\n"
        assert one.chunk() == b""


def a_beat_later(house: House, person: Person) -> None:
    """Twenty seconds have passed for those who follow this mailbox."""
    time_passes(house, KEEPALIVE_S)
    waiters = house.app.parts.waiters
    assert waiters._loop is not None
    for place in waiters._watched[person.mailbox_id]:
        assert isinstance(place, Place)
        for client in place.clients:
            waiters._loop.call_soon_threadsafe(client.due)


def time_passes(house: House, seconds: float) -> None:
    """All tokens were looked at so much longer ago."""
    for standings in list(house.app.parts.tokens._standings.values()):
        for standing in standings.values():
            standing.looked_at -= seconds


def test_a_client_that_reads_slowly_misses_nothing_and_keeps_nobody_waiting(house: House, ann: Person) -> None:
    since = ann.head()
    with wire(house, buffered_bytes=4096) as slow, wire(house) as quick:
        for one in (slow, quick):
            one.ask(ann, f"/v1/sync?since={since}", SSE)
            one.head()
        until(lambda: waiting(house) == 2)
        last = [_change_much(ann, number) for number in range(100)][-1]
        assert _seqs_until(quick, last) == list(range(since + 1, last + 1))
        assert _seqs_until(slow, last) == list(range(since + 1, last + 1))


def _change_much(person: Person, number: int) -> int:
    """An event of some 60 KB, of which a hundred are more than any buffer takes; its seq."""
    condition = {"field": "subject", "op": "is", "value": f"{number} {'x' * 900}"}
    rule = {"conditions": [condition], "actions": [{"do": "archive"}]}
    return int(person.http.put("/v1/rules", json={"rules": [rule] * 55}).json()["seq"])


def _seqs_until(one: Wire, last: int) -> list[int]:
    seqs: list[int] = []
    while not seqs or seqs[-1] < last:
        seqs += [int(found) for found in re.findall(rb"^id: (\d+)$", one.chunk(), re.MULTILINE)]
    return seqs
