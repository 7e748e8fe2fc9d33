"""Content: where it ends, what it may not hold, and that it comes out octet for octet."""

import random

import pytest

from gateways.reception import StorageFullError, TemporarilyUnavailableError
from gateways.smtp.content import DotStream
from gateways.smtp.trace import TraceFields

STUFFED = [
    # on the wire after DATA, what is stored (RFC 5321 section 4.5.2)
    (b".\r\n", b""),
    (b"\r\n.\r\n", b"\r\n"),
    (b"hi\r\n.\r\n", b"hi\r\n"),
    (b"..\r\n.\r\n", b".\r\n"),
    (b".a\r\n.\r\n", b"a\r\n"),
    (b"...\r\n.\r\n", b"..\r\n"),
    (b"a\r\n..\r\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
    (b"a\r\n..\r\n..\r\n.\r\n", b"a\r\n.\r\n.\r\n"),
    (b"a.\r\n.\r\n", b"a.\r\n"),
    (b"\0\xff\r\n" + b"x" * 5000 + b"\r\n.\r\n", b"\0\xff\r\n" + b"x" * 5000 + b"\r\n"),
    (b"a\r\n.\x0b\r\n.\r\n", b"a\r\n\x0b\r\n"),
]

SMUGGLED = [
    # none of these ends the data; each is refused after the real end
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\r\n.\r\r\n",
    b"\r\n\n.\n",
    b"\n\r.\r\n",
    b"\r\n.\0\r\n\n",
    b"\r\n.\n\r\n",
]
INJECTED = b"MAIL FROM:<ceo@example.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nsmuggled"


@pytest.mark.parametrize(("wire", "content"), STUFFED)
def test_dots_are_taken_out_wherever_the_input_is_cut(talk, reception, wire, content):
    cuts = range(len(wire) + 1) if len(wire) < 100 else [1, 2, 3, 4, 5, len(wire) - 3]
    for cut in cuts:
        conversation = talk().ready()
        conversation.answer("DATA\r\n")
        assert conversation.codes(wire[:cut]) + conversation.codes(wire[cut:]) == ["250 2.0.0"]
        [(_envelope, stored)] = reception.mails()
        assert stored == content


def test_dot_unstuffing_agrees_with_a_line_by_line_reading_for_any_pieces():
    chance = random.Random(5)
    for _ in range(2000):
        lines = [bytes(chance.choices(b".ax", k=chance.randrange(4))) for _ in range(chance.randrange(6))]
        wire = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\nNEXT"
        stream, out, at, used = DotStream(), b"", 0, -1
        while used < 0:
            piece = wire[at : at + chance.randrange(1, 5)]
            content, used = stream.feed(piece)
            out += content
            at += len(piece) if used < 0 else used
        assert out == b"".join(line + b"\r\n" for line in lines)
        assert wire[at:] == b"NEXT"


@pytest.mark.parametrize("ending", SMUGGLED)
def test_smuggled_ends_end_nothing_and_nothing_is_stored_wherever_the_input_is_cut(talk, reception, ending):
    wire = b"Subject: x\r\n\r\nhello" + ending + INJECTED + b"\r\n.\r\nNOOP\r\n"
    if ending in (b"\r\r\n.\r\r\n",):
        wire = wire.replace(ending, b"\r\r\n.\r", 1)  # a CR and then a true CRLF.CRLF would be a true end
    for cut in range(len(wire) + 1):
        conversation = talk().ready()
        conversation.answer("DATA\r\n")
        assert conversation.codes(wire[:cut]) + conversation.codes(wire[cut:]) == ["550 5.6.0", "250 2.0.0"]

    assert reception.mails() == []
    assert reception.leftovers() == []


@pytest.mark.parametrize("content", [b"\n", b"\r", b"a\nb", b"a\rb", b"\r\r\n", b"\n\r\n", b"\r\n\r", b"a\r\r\nb"])
def test_a_bare_line_end_anywhere_refuses_the_message(talk, reception, content):
    assert talk().ready().codes(b"DATA\r\n" + content + b"\r\n.\r\n") == ["354", "550 5.6.0"]
    chunk = talk().ready().codes(b"BDAT %d LAST\r\n" % len(content) + content)
    assert chunk == ["550 5.6.0"]
    assert reception.mails() == []


def test_a_crlf_and_a_bare_cr_that_balance_a_bare_lf_do_not_deceive(talk, reception):
    assert talk().ready().codes(b"DATA\r\na\nb\rc\r\n.\r\n") == ["354", "550 5.6.0"]
    assert talk().ready().codes(b"DATA\r\na\n\rc\r\n.\r\n") == ["354", "550 5.6.0"]
    assert reception.mails() == []


def test_large_content_goes_to_the_spool_in_pieces_and_comes_out_whole(talk, reception):
    content = b"".join(b"%06d %s\r\n" % (number, b"." * (number % 70)) for number in range(20_000))
    wire = content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    conversation = talk().ready()
    conversation.answer("DATA\r\n")
    codes = [code for at in range(0, len(wire), 32_768) for code in conversation.codes(wire[at : at + 32_768])]

    assert codes == ["250 2.0.0"]
    assert [stored for _envelope, stored in reception.mails()] == [content]
    assert reception.leftovers() == []


@pytest.mark.parametrize(("size", "code"), [(99, "250 2.0.0"), (100, "250 2.0.0"), (101, "552 5.3.4")])
def test_a_message_above_the_limit_is_read_to_its_end_and_refused(talk, reception, size, code):
    content = b"x" * (size - 2) + b"\r\n"

    answered = talk(message_bytes=100).ready().codes(b"DATA\r\n" + content + b".\r\nNOOP\r\n")

    assert answered == ["354", code, "250 2.0.0"]
    assert len(reception.mails()) == (code[0] == "2")


def test_a_large_message_that_goes_bad_leaves_nothing_in_the_spool(talk, reception):
    conversation = talk().ready()
    conversation.answer("DATA\r\n")
    for _ in range(5):
        conversation.answer(b"x" * 30_000 + b"\r\n")
    assert len(reception.leftovers()) == 1

    assert conversation.codes(b"bad\n\r\n.\r\n") == ["550 5.6.0"]
    assert reception.leftovers() == []


def test_content_without_end_is_not_listened_to_for_ever(talk):
    conversation = talk(message_bytes=1000).ready()
    conversation.answer("DATA\r\n")
    codes = [code for _ in range(30) for code in conversation.codes(b"x" * 100)]

    assert codes == ["552 5.3.4"]
    assert conversation.closed


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StorageFullError(), "452 4.3.1"),
        (TemporarilyUnavailableError(), "451 4.3.0"),
        (RuntimeError("never seen before"), "451 4.3.0"),
    ],
)
def test_a_failure_of_ours_makes_the_sender_try_again_and_keeps_nothing(talk, reception, failure, code):
    reception.failure = failure
    conversation = talk().ready()

    assert conversation.codes("DATA\r\nhi\r\n.\r\nNOOP\r\n") == ["354", code, "250 2.0.0"]
    assert (reception.mails(), reception.leftovers()) == ([], [])


def test_a_disk_that_fills_in_the_middle_is_told_at_the_end(talk, reception):
    reception.room_bytes = 100_000
    conversation = talk().ready()
    conversation.answer("DATA\r\n")
    codes = [code for _ in range(10) for code in conversation.codes(b"x" * 30_000 + b"\r\n")]

    assert codes == []
    assert conversation.codes(".\r\n") == ["452 4.3.1"]
    assert (reception.mails(), reception.leftovers()) == ([], [])


@pytest.mark.parametrize(
    ("fields", "code"),
    [  # RFC 5321 section 6.3
        (b"Received: by x\r\n" * 50, "250 2.0.0"),
        (b"Received: by x\r\n" * 51, "554 5.4.6"),
        (b"rEcEiVeD : by x;\r\n folded\r\n" * 51, "554 5.4.6"),
        (b"X-Received: by x\r\n" * 60, "250 2.0.0"),
        (b"Subject: x\r\n\r\n" + b"Received: by x\r\n" * 60, "250 2.0.0"),
        (b"Delivered-To: ann@example.test\r\n", "554 5.4.6"),
        (b"Subject: x\r\ndelivered-to:\r\n\tANN+tag@Example.Test \r\n", "554 5.4.6"),
        (b"Delivered-To: <ann@example.test>\r\n", "554 5.4.6"),
        (b"Delivered-To: bea@example.test\r\n", "250 2.0.0"),
        (b"Delivered-To: \xff not an address\r\n", "250 2.0.0"),
        (b"\r\nDelivered-To: ann@example.test\r\n", "250 2.0.0"),
        (b"X: " + b"y" * 9000 + b"\r\nDelivered-To: ann@example.test\r\n", "554 5.4.6"),
    ],
)
def test_a_message_that_was_here_before_is_refused_wherever_the_input_is_cut(talk, reception, fields, code):
    wire = fields + b"\r\nbody\r\n.\r\n"
    for cut in range(0, len(wire) + 1, max(1, len(wire) // 60)):
        conversation = talk().ready()
        conversation.answer("DATA\r\n")
        assert conversation.codes(wire[:cut]) + conversation.codes(wire[cut:]) == [code]


@pytest.mark.parametrize(
    ("sender", "fields", "code"),
    [  # RFC 3834 section 5
        ("", b"Subject: x\r\n", "250 2.0.0"),
        ("bob@elsewhere.test", b"Subject: x\r\n", "550 5.1.1"),
        ("bob@elsewhere.test", b"Auto-Submitted: no\r\n", "550 5.1.1"),
        ("bob@elsewhere.test", b"Auto-Submitted: No ; x=y\r\n", "550 5.1.1"),
        ("bob@elsewhere.test", b"Auto-Submitted:\r\n", "550 5.1.1"),
        ("bob@elsewhere.test", b"X: y\r\n\r\nAuto-Submitted: auto-replied\r\n", "550 5.1.1"),
        ("bob@elsewhere.test", b"auto-submitted:\r\n\tauto-replied (vacation)\r\n", "250 2.0.0"),
        ("bob@elsewhere.test", b"Auto-Submitted: auto-generated; owner-email=x\r\n", "250 2.0.0"),
    ],
)
def test_a_return_path_takes_what_a_machine_sent_wherever_the_input_is_cut(talk, sender, fields, code):
    wire = fields + b"\r\nbody\r\n.\r\n"
    for cut in range(0, len(wire) + 1, 7):
        conversation = talk()
        conversation.answer("EHLO mx.example.org\r\n")
        opened = f"MAIL FROM:<{sender}>\r\nRCPT TO:<back@example.test>\r\nDATA\r\n"
        assert conversation.codes(opened) == ["250 2.1.0", "250 2.1.5", "354"]
        assert conversation.codes(wire[:cut]) + conversation.codes(wire[cut:]) == [code]


def test_a_loop_to_one_of_several_recipients_refuses_the_message_to_all(talk, reception):
    """SMTP has one reply for all of them."""
    conversation = talk().ready("ann bea")

    assert conversation.codes("DATA\r\nDelivered-To: bea@example.test\r\n\r\n.\r\n") == ["354", "554 5.4.6"]
    assert reception.mails() == []


@pytest.mark.parametrize("cut", [-2, -1, 0])
def test_a_field_behind_a_very_long_one_is_seen_wherever_that_one_was_cut(cut):
    trace, long, short = TraceFields(10**6), b"X: " + b"y" * 9000 + b"\r\n", b"Received: x\r\n"
    trace.add((long + short)[: len(long) + cut])
    trace.add((long + short)[len(long) + cut :])
    trace.finish()

    assert trace.received == 1


def test_a_header_block_without_body_is_looked_at_too(talk):
    assert talk().ready().codes("DATA\r\nDelivered-To: ann@example.test\r\n.\r\n") == ["354", "554 5.4.6"]


def test_trace_fields_are_looked_for_only_so_far_and_holding_little():
    trace = TraceFields(10_000)
    for _ in range(2_000):
        trace.add(b"Received: x\r\n y" + b"z" * 100 + b"\r\n")
    trace.finish()

    assert 50 < trace.received < 100
    assert len(trace._held) <= 4096
