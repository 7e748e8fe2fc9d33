"""Whatever comes in, the conversation answers in order, never raises and never holds much."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.smtp.actions import Close, Drain, Send, StartTls
from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation
from gateways.smtp.host import Dialect
from gateways.smtp.intake import Intake

WORDS = [
    b"EHLO mx\r\n",
    b"LHLO mx\r\n",
    b"MAIL FROM:<bob@example.org>\r\n",
    b"MAIL FROM:<> SIZE=5 BODY=8BITMIME SMTPUTF8\r\n",
    b"RCPT TO:<ann@example.test>\r\n",
    b"RCPT TO:<nobody@example.test>\r\n",
    b"DATA\r\n",
    b"BDAT 3\r\n",
    b"BDAT 5 LAST\r\n",
    b"BDAT 99999\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"STARTTLS\r\n",
    b"hello\r\n",
    b"\r\n.\r\n",
    b".",
    b"\r",
    b"\n",
    b"Received: x\r\n",
    b"x" * 3000,
]
INPUT = st.lists(st.sampled_from(WORDS) | st.binary(max_size=40), max_size=40)
REPLY_LINE = re.compile(rb"[2-5]\d\d[ -][\x20-\x7e]*")


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def run(conversation: Conversation, intake: Intake, pieces: list[bytes]) -> bytes:
    said = bytearray()
    pending = conversation.greet()
    for piece in [b"", *pieces]:
        pending += conversation.receive(piece)
        while pending:
            action = pending.pop(0)
            match action:
                case Send(data):
                    said += data
                case Close():
                    intake.discard()
                    return bytes(said)
                case Drain():
                    pending += conversation.resume(None)
                case StartTls():
                    pending += conversation.secured("TLSv1.3 X")
                case _:
                    pending += conversation.resume(intake.perform(action))
            assert len(conversation.input) <= 4096 + len(piece)
    intake.discard()
    return bytes(said)


@settings(max_examples=400, deadline=None)
@given(pieces=INPUT, dialect=st.sampled_from(Dialect), offers_tls=st.booleans())
def test_any_input_is_answered_by_well_formed_replies(smtp_host, reception_of, folder, pieces, dialect, offers_tls):
    conversation = Conversation(smtp_host(dialect), client=Client("192.0.2.7"), offers_tls=offers_tls)
    reception = reception_of(folder)

    said = run(conversation, Intake(reception), pieces)

    assert said.endswith(b"\r\n")
    assert all(REPLY_LINE.fullmatch(line) for line in said[:-2].split(b"\r\n"))
    assert reception.leftovers() == []
    for _envelope, content in reception.mails():
        assert content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")


@settings(max_examples=200, deadline=None)
@given(pieces=INPUT.map(b"".join), cuts=st.lists(st.integers(0, 4000), max_size=8))
def test_replies_do_not_depend_on_how_the_input_was_cut(smtp_host, reception_of, folder, pieces, cuts):
    """STARTTLS apart, behind which what has already come is thrown away."""
    ends = [*sorted(cuts), len(pieces)]
    cut_up = [pieces[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def answered(parts: list[bytes]) -> bytes:
        return run(Conversation(smtp_host(), client=Client("")), Intake(reception_of(folder)), parts)

    assert answered([pieces]) == answered(cut_up)


def test_a_session_in_the_middle_of_a_large_mail_holds_little(smtp_host, reception_of, folder):
    conversation, intake = Conversation(smtp_host(), client=Client("")), Intake(reception_of(folder))
    setup = b"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n"

    run_held = 0
    pending = conversation.greet() + conversation.receive(setup)
    for number in range(400):
        while pending:
            action = pending.pop(0)
            if not isinstance(action, Send):
                run_held = max(run_held, len(getattr(action, "data", b"")))
                pending += conversation.resume(intake.perform(action))
        pending = conversation.receive(b"y" * (32_766 - number % 3) + b"\r\n")
    intake.discard()

    assert 0 < run_held <= 96 * 1024
