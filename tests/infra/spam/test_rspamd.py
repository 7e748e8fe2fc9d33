"""Rspamd as a server on loopback says it: what it is asked, and what becomes of each answer."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from gateways.authentication.evidence import Evidence
from gateways.screening import Arrival, Screening
from gateways.spam.filtering import SpamFilter
from gateways.spam.learning import Installation
from gateways.spam.rspamd import RspamdAnswerError, answer, request
from gateways.spam.scoring import Score
from gateways.spam.token_ids import TokenIds
from infra.spam.rspamd import Rspamd

ARRIVAL = Arrival("203.0.113.9", "mail.elsewhere.test", "writer@elsewhere.test", "mx.example.test")
MAIL = b"From: writer@elsewhere.test\r\nSubject: hi\r\n\r\nHow are you?\r\n"


def said(score: float, required: float = 15.0, **more: object) -> bytes:
    body = msgspec.json.encode({"score": score, "required_score": required, "is_skipped": False} | more)
    return b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body


async def screened(handle: Callable[[bytes], bytes]) -> tuple[Screening, bytes]:
    """What comes of a mail where rspamd answers so, and what it was asked."""
    asked = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.readuntil(MAIL))
        writer.write(handle(bytes(asked)))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = await _screen(Rspamd(f"http://127.0.0.1:{port}"))
    server.close()
    await server.wait_closed()
    return found, bytes(asked)


def _screen(scanner: Rspamd) -> Awaitable[Screening]:
    evidence = Evidence()
    evidence.add(MAIL)
    evidence.finish()
    looks = SpamFilter(None, ids=TokenIds(b"a key of tests"), installation=Installation, scanner=scanner)
    return looks.screen(ARRIVAL, evidence)


@pytest.mark.parametrize(
    ("score", "value", "disposition"),
    [(-3.0, 0.0, ""), (6.0, 0.4, "quarantine"), (12.0, 0.8, "reject"), (99.0, 1.0, "reject")],
)
def test_its_score_is_divided_by_that_at_which_it_rejects(score: float, value: float, disposition: str) -> None:
    found, asked = asyncio.run(screened(lambda _asked: said(score)))
    assert (found.spam_score, found.spam_disposition) == (value, disposition)
    assert found.spam_layers == {"rspamd": value}
    assert found.unscreened == ()
    assert asked.startswith(b"POST /checkv2 HTTP/1.0\r\n")
    assert b"\r\nIP: 203.0.113.9\r\nHelo: mail.elsewhere.test\r\nFrom: writer@elsewhere.test\r\n" in asked


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.0 500 no\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n{", said(1.0, 0.0)])
def test_where_it_answers_nothing_that_can_be_read_the_embedded_filter_steps_in(
    octets: bytes,
) -> None:
    found, _ = asyncio.run(screened(lambda _asked: octets))
    assert set(found.spam_layers) == {"rules"}
    assert found.unscreened == ("rspamd",)


def test_where_it_is_down_the_embedded_filter_steps_in() -> None:
    async def look() -> Screening:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await _screen(Rspamd(f"http://127.0.0.1:{port}"))

    found = asyncio.run(look())
    assert found.unscreened == ("rspamd",)
    assert not found.is_refused


class Broken:
    """A scanner that fails."""

    name = "broken"

    async def scan(self, arrival: Arrival, sample: bytes) -> None:
        raise RuntimeError("broken")


class Others:
    """Somebody who has found something."""

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        return Screening(dmarc="fail", disposition="reject")


def test_a_filter_that_fails_takes_nothing_away_from_what_the_others_found() -> None:
    evidence = Evidence()
    evidence.add(MAIL)
    evidence.finish()
    looks = SpamFilter(Others(), ids=TokenIds(b"a key of tests"), installation=Installation, scanner=Broken())
    found = asyncio.run(looks.screen(ARRIVAL, evidence))
    assert found.is_refused
    assert (found.spam_score, found.unscreened) == (None, ("spam filter",))


def test_it_is_not_made_to_read_a_field_that_a_stranger_put_in() -> None:
    asked = request("rspamd.test", Arrival("203.0.113.9", "x\r\nSettings-Id: off", "", "mx"), MAIL)
    assert b"\r\nSettings-Id" not in asked


def test_its_reasons_are_the_weightiest_first_in_its_own_words() -> None:
    symbols = {"A": {"score": 1.0, "description": "First word"}, "B": {"score": 5.0}, "C": {"score": -2.0}}
    assert answer(said(6.0, symbols=symbols)).reasons == ("B.", "First word.")


def test_a_message_that_it_passed_over_has_no_score() -> None:
    with pytest.raises(RspamdAnswerError):
        answer(said(1.0, is_skipped=True))


def test_what_it_rejects_without_looking_further_is_refused() -> None:
    found, _asked = asyncio.run(screened(lambda _asked: said(15.0, action="reject", is_skipped=True)))
    assert (found.spam_score, found.spam_disposition) == (1.0, "reject")
    assert found.spam_reasons == ("It is refused by a rule of this server.",)
    assert found.unscreened == ()


def test_while_it_hangs_one_mail_waits_for_it_and_the_next_do_not() -> None:
    asked: list[bytes] = []

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(MAIL))
        await reader.read()

    async def scan() -> list[Score | None]:
        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        scanner = Rspamd(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.5)
        found = [await scanner.scan(ARRIVAL, MAIL) for _ in range(5)]
        server.close()
        return found

    assert asyncio.run(scan()) == [None] * 5
    assert len(asked) == 1
