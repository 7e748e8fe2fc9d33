"""Handing a message over, line by line: whose it may be, what may be asked for, what becomes which reply."""

import pytest

from domain.refusals import MailboxFullError, RateLimitedError, RecipientsInvalidError, SendingBlockedError
from gateways.accounts import AccountSuspendedError
from gateways.reception import StorageFullError
from gateways.submission.replies import AUTHOR_NOT_OWN, SubmissionRefusedError
from tests.gateways.submission.conftest import ANN

NOW_MS = 1_790_000_000_000
MAIL = b"From: ann@example.test\r\n\r\nHello\r\n"


def test_what_is_offered_is_said(handing):
    lines = handing().answer("EHLO laptop\r\n").split("\r\n")
    said = [line[4:] for line in lines if line]
    assert said[1:] == [
        "PIPELINING",
        "SIZE 37748736",
        "STARTTLS",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "ENHANCEDSTATUSCODES",
        "AUTH PLAIN LOGIN OAUTHBEARER",
        "DSN",
        "FUTURERELEASE 31622400 2027-09-22T14:13:20Z",
        "HELP",
    ]


def test_a_message_is_handed_over_in_the_name_of_who_signed_in(handing, house, reception):
    talk = handing().begun("bob@example.test carol@elsewhere.example")
    assert talk.codes(b"DATA\r\n" + MAIL + b".\r\n") == ["354", "250 2.0.0"]
    [(principal, envelope, raw, send_at_ms)] = house.taken
    assert (principal, raw, send_at_ms) == (ANN, MAIL, NOW_MS)
    assert (envelope.reverse_path, envelope.protocol, envelope.helo) == ("ann@example.test", "ESMTPA", "laptop")
    assert [one.forward_path for one in envelope.recipients] == ["bob@example.test", "carol@elsewhere.example"]
    assert (envelope.source, envelope.sender_mailbox) == ("sent", ANN.mailbox_id)
    assert (reception.mails(), reception.leftovers()) == ([], [])


def test_chunks_are_handed_over_as_they_are(handing, house):
    talk = handing().begun()
    assert talk.codes(b"BDAT 10\r\n" + MAIL[:10] + b"BDAT 0\r\n") == ["250 2.0.0"] * 2
    assert talk.codes(b"BDAT %d LAST\r\n" % len(MAIL[10:]) + MAIL[10:]) == ["250 2.0.0"]
    assert house.taken[0][2] == MAIL


def test_a_large_message_is_whole(handing, house, reception):
    whole = MAIL + b"0123456789abcde\r\n" * 20_000
    talk = handing().begun()
    assert talk.codes(b"DATA\r\n" + whole + b".\r\n") == ["354", "250 2.0.0"]
    assert (house.taken[0][2], reception.leftovers()) == (whole, [])


def test_commands_may_be_pipelined(handing, house):
    talk = handing().signed_in()
    group = "MAIL FROM:<ann@example.test>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n"
    assert talk.codes(group) == ["250 2.1.0", "250 2.1.5", "550 5.1.1", "354"]
    assert talk.codes(MAIL + b".\r\n") == ["250 2.0.0"]
    assert [one.forward_path for one in house.taken[0][1].recipients] == ["bob@example.test"]


@pytest.mark.parametrize("sender", ["", "ann@example.test", "Ann+Shop@EXAMPLE.test", "ann.lee@example.test"])
def test_the_sender_is_an_address_of_ones_own_or_nobody(handing, sender):
    assert handing().signed_in().codes(f"MAIL FROM:<{sender}>\r\n") == ["250 2.1.0"]


@pytest.mark.parametrize(
    "sender", ["bob@example.test", "ann@elsewhere.example", "ann@[192.0.2.1]", "annn@example.test"]
)
def test_nobody_elses_address_is_taken_for_the_sender(handing, sender):
    talk = handing().signed_in()
    assert talk.codes(f"MAIL FROM:<{sender}>\r\nRCPT TO:<bob@example.test>\r\n") == ["550 5.7.1", "503 5.5.1"]


def test_an_outage_while_the_sender_is_looked_up_refuses_for_now(handing, house):
    talk = handing().signed_in()
    house.failure = ConnectionError("away")
    assert talk.codes("MAIL FROM:<ann.lee@example.test>\r\n") == ["451 4.3.0"]


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("carol@elsewhere.example", "250 2.1.5"),
        ("full@example.test", "250 2.1.5"),
        ("Postmaster", "250 2.1.5"),
        ("nobody@example.test", "550 5.1.1"),
        ("suspended@example.test", "550 5.2.1"),
        ("bob@[192.0.2.1]", "550 5.1.2"),
        ("bob", "501 5.1.3"),
        ("bücher@elsewhere.example", "553 5.6.7"),
    ],
)
def test_recipients_are_judged(handing, recipient, code):
    talk = handing().signed_in()
    assert talk.codes(f"MAIL FROM:<ann@example.test>\r\nRCPT TO:<{recipient}>\r\n") == ["250 2.1.0", code]


def test_more_recipients_than_a_message_may_have_are_refused(handing):
    talk = handing(recipients=1).begun()
    assert talk.codes("RCPT TO:<carol@example.test>\r\n") == ["452 4.5.3"]


def test_wishes_for_notifications_travel_with_the_envelope(handing, house):
    talk = handing().signed_in()
    assert talk.codes("MAIL FROM:<ann@example.test> RET=hdrs ENVID=QQ+2B7\r\n") == ["250 2.1.0"]
    assert talk.codes("RCPT TO:<bob@example.test> NOTIFY=success,DELAY ORCPT=rfc822;Bob+2Bx@example.test\r\n") == [
        "250 2.1.5"
    ]
    assert talk.codes("RCPT TO:<carol@example.test> NOTIFY=NEVER ORCPT=utf-8;b\\x{FC}cher@example.test\r\n") == [
        "250 2.1.5"
    ]
    talk.answer(b"DATA\r\n" + MAIL + b".\r\n")
    envelope = house.taken[0][1]
    assert (envelope.ret, envelope.envid) == ("HDRS", "QQ+7")
    assert [(one.orcpt, one.notify) for one in envelope.recipients] == [
        ("rfc822;Bob+x@example.test", ("SUCCESS", "DELAY")),
        ("utf-8;bücher@example.test", ("NEVER",)),
    ]


@pytest.mark.parametrize(
    "parameter",
    [
        *("RET=ALL", "RET", "ENVID", f"ENVID={'a' * 101}", "ENVID=a+2", "ENVID=a+0D", "ENVID=a+2b", "SIZE=x"),
        *("HOLDFOR", "HOLDFOR=-1", "HOLDFOR=1234567890", "HOLDFOR=1.5", "HOLDUNTIL=tomorrow", "AUTH=+1", "AUTH"),
        *("HOLDUNTIL=2027-01-01T00:00:00", "HOLDFOR=60 HOLDUNTIL=2026-09-22T00:00:00Z"),
    ],
)
def test_a_parameter_of_mail_that_is_none_is_refused(handing, parameter):
    assert handing().signed_in().codes(f"MAIL FROM:<ann@example.test> {parameter}\r\n") == ["501 5.5.4"]


@pytest.mark.parametrize(
    "parameter",
    [
        *("NOTIFY", "NOTIFY=", "NOTIFY=NEVER,SUCCESS", "NOTIFY=DELAY,DELAY", "NOTIFY=ALWAYS", "ORCPT=bob@example.test"),
        *("ORCPT", f"ORCPT=rfc822;{'a' * 500}", "ORCPT=rfc822;a+0A", "ORCPT=;a", "ORCPT=utf-8;\\x{D800}"),
    ],
)
def test_a_parameter_of_rcpt_that_is_none_is_refused(handing, parameter):
    talk = handing().begun()
    assert talk.codes(f"RCPT TO:<bob@example.test> {parameter}\r\n") == ["501 5.5.4"]


def test_a_parameter_that_nobody_knows_is_told_apart(handing):
    talk = handing().signed_in()
    assert talk.codes("MAIL FROM:<ann@example.test> MT-PRIORITY=3\r\n") == ["555 5.5.4"]
    talk.answer("MAIL FROM:<ann@example.test> AUTH=<>\r\n")
    assert talk.codes("RCPT TO:<bob@example.test> RRVS=x\r\n") == ["555 5.5.4"]


@pytest.mark.parametrize(
    ("hold", "send_at_ms"),
    [
        ("HOLDFOR=60", NOW_MS + 60_000),
        ("HOLDFOR=0", NOW_MS),
        ("HOLDUNTIL=2026-09-22T14:13:20Z", NOW_MS + 86_400_000),
        ("HOLDUNTIL=2026-09-22T15:13:20+01:00", NOW_MS + 86_400_000),
        ("HOLDUNTIL=2020-01-01T00:00:00Z", NOW_MS),
        ("HOLDFOR=31622400", NOW_MS + 31_622_400_000),
    ],
)
def test_a_message_may_be_held(handing, house, hold, send_at_ms):
    talk = handing().signed_in()
    assert talk.codes(f"MAIL FROM:<ann@example.test> {hold}\r\nRCPT TO:<bob@example.test>\r\n")[0] == "250 2.1.0"
    talk.answer(b"DATA\r\n" + MAIL + b".\r\n")
    assert house.taken[0][3] == send_at_ms


@pytest.mark.parametrize("hold", ["HOLDFOR=31622401", "HOLDUNTIL=2028-01-01T00:00:00Z"])
def test_no_message_is_held_for_longer_than_was_said(handing, hold):
    assert handing().signed_in().codes(f"MAIL FROM:<ann@example.test> {hold}\r\n") == ["501 5.5.4"]


@pytest.mark.parametrize(
    ("failure", "reply"),
    [
        (RateLimitedError(17), "450 4.7.1 Too many messages, again in 17 s"),
        (SendingBlockedError("blocked"), "550 5.7.1 Sending from this account is blocked"),
        (MailboxFullError("full"), "452 4.2.2 Your mailbox is full: there is no room for the copy in SENT"),
        (AccountSuspendedError("suspended"), "525 5.7.13 The account is suspended"),
        (RecipientsInvalidError("none"), "550 5.5.3 The message has no recipients, or too many"),
        (SubmissionRefusedError(AUTHOR_NOT_OWN), AUTHOR_NOT_OWN.decode().strip()),
        (StorageFullError(), "452 4.3.1 No room at present, try again later"),
        (ConnectionError("away"), "451 4.3.0 Temporarily unavailable, try again later"),
        (RuntimeError("broken"), "451 4.3.0 Temporarily unavailable, try again later"),
    ],
)
def test_what_keeps_a_message_from_being_taken_is_said(handing, house, reception, failure, reply):
    talk = handing().begun()
    talk.answer("DATA\r\n")
    house.failure = failure
    assert talk.answer(MAIL + b".\r\n") == f"{reply}\r\n"
    assert (house.taken, reception.leftovers()) == ([], [])
    assert talk.codes("MAIL FROM:<ann@example.test>\r\n") == ["250 2.1.0"]


def test_a_message_above_the_size_is_refused_when_announced_and_when_it_comes(handing, house):
    talk = handing(message_bytes=100).signed_in()
    assert talk.codes("MAIL FROM:<ann@example.test> SIZE=101\r\n") == ["552 5.3.4"]
    talk.answer("MAIL FROM:<ann@example.test>\r\nRCPT TO:<bob@example.test>\r\n")
    assert talk.codes(b"DATA\r\n" + MAIL + b"x" * 100 + b"\r\n.\r\n") == ["354", "552 5.3.4"]
    assert house.taken == []


def test_a_bare_line_feed_ends_nothing_and_is_refused(handing, house):
    talk = handing().begun()
    smuggled = b"DATA\r\n" + MAIL + b"\n.\nMAIL FROM:<bob@example.test>\r\n.\r\n"
    assert talk.codes(smuggled) == ["354", "550 5.6.0"]
    assert house.taken == []


def test_a_message_is_held_back_where_its_author_has_gone_before_its_end(handing, reception):
    talk = handing().begun()
    talk.answer(b"DATA\r\n" + MAIL + b"x" * 60_000 + b"\r\n")
    talk.intake.discard()
    assert reception.leftovers() == []
