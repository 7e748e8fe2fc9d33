"""LMTP (RFC 2033), where it differs from SMTP."""

import pytest

from gateways.reception import TemporarilyUnavailableError


@pytest.mark.parametrize(
    ("command", "expected"),
    [  # section 4.1
        ("LHLO mx.example.org", "250"),
        ("EHLO mx.example.org", "500 5.5.1"),
        ("HELO mx.example.org", "500 5.5.1"),
        ("LHLO", "501 5.5.4"),
    ],
)
def test_only_lhlo_introduces(talk, command, expected):
    assert talk(lmtp=True).codes(command + "\r\n") == [expected]


def test_data_is_answered_once_for_each_accepted_recipient(talk, reception):
    """Section 4.2."""
    conversation = talk(lmtp=True).ready("ann bea ann")
    conversation.answer("RCPT TO:<nobody@example.test>\r\n")

    assert conversation.codes("DATA\r\nhi\r\n.\r\n") == ["354", "250 2.0.0", "250 2.0.0", "250 2.0.0"]
    [(envelope, _content)] = reception.mails()
    assert len(envelope.recipients) == 3


def test_a_failure_is_told_for_each_recipient(talk, reception):
    reception.failure = TemporarilyUnavailableError()
    conversation = talk(lmtp=True).ready("ann bea")

    assert conversation.codes("DATA\r\nhi\r\n.\r\n") == ["354", "451 4.3.0", "451 4.3.0"]
    assert reception.leftovers() == []


def test_refused_content_is_told_for_each_recipient(talk, reception):
    conversation = talk(lmtp=True).ready("ann bea")

    assert conversation.codes(b"DATA\r\nbare\nfeed\r\n.\r\n") == ["354", "550 5.6.0", "550 5.6.0"]
    assert reception.mails() == []


def test_without_accepted_recipients_data_is_out_of_order(talk):
    """Section 4.2."""
    conversation = talk(lmtp=True).ready("")
    conversation.answer("RCPT TO:<nobody@example.test>\r\n")

    assert conversation.codes("DATA\r\n") == ["503 5.5.1"]


def test_a_loop_to_one_recipient_refuses_only_him(talk, reception):
    conversation = talk(lmtp=True).ready("ann bea cat")

    codes = conversation.codes("DATA\r\nDelivered-To: bea@example.test\r\n\r\nhi\r\n.\r\n")

    assert codes == ["354", "250 2.0.0", "554 5.4.6", "250 2.0.0"]
    [(envelope, _content)] = reception.mails()
    assert [recipient.forward_path for recipient in envelope.recipients] == ["ann@example.test", "cat@example.test"]


def test_what_no_machine_sent_is_refused_for_the_return_path_alone(talk, reception):
    conversation = talk(lmtp=True).ready("ann back")

    codes = conversation.codes("DATA\r\nAuto-Submitted: no\r\n\r\nhi\r\n.\r\n")

    assert codes == ["354", "250 2.0.0", "550 5.1.1"]
    [(envelope, _content)] = reception.mails()
    assert [recipient.forward_path for recipient in envelope.recipients] == ["ann@example.test"]


def test_only_the_last_chunk_is_answered_for_each_recipient(talk, reception):
    """RFC 3030 section 2 with RFC 2033 section 4.3."""
    conversation = talk(lmtp=True).ready("ann bea")

    assert conversation.codes(b"BDAT 4\r\nhi\r\nBDAT 0 LAST\r\n") == ["250 2.0.0", "250 2.0.0", "250 2.0.0"]
    assert [content for _envelope, content in reception.mails()] == [b"hi\r\n"]
