"""The conversation, line by line, beside the section that decides each reply."""

import pytest

from gateways.smtp.actions import StartTls
from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation

BEFORE_EHLO = ""
AFTER_EHLO = "EHLO mx.example.org\r\n"
AFTER_HELO = "HELO mx.example.org\r\n"
AFTER_MAIL = AFTER_EHLO + "MAIL FROM:<bob@example.org>\r\n"
AFTER_UTF8_MAIL = AFTER_EHLO + "MAIL FROM:<bob@example.org> SMTPUTF8\r\n"
AFTER_RCPT = AFTER_MAIL + "RCPT TO:<ann@example.test>\r\n"

REPLIES = [
    # RFC 5321 section 4.1.1.1: greeting the server
    (BEFORE_EHLO, "HELO mx.example.org", "250"),
    (BEFORE_EHLO, "helo [192.0.2.1]", "250"),
    (BEFORE_EHLO, "HELO [IPv6:2001:db8::1]", "250"),
    (BEFORE_EHLO, "HELO host_with_underscore", "250"),
    (BEFORE_EHLO, "HELO", "501 5.5.4"),
    (BEFORE_EHLO, "EHLO two names", "501 5.5.4"),
    (BEFORE_EHLO, "EHLO [192.0.2.300]", "501 5.5.4"),
    (BEFORE_EHLO, "EHLO [IPv6:fe80::1%eth0]", "501 5.5.4"),
    (BEFORE_EHLO, "EHLO <script>", "501 5.5.4"),
    (BEFORE_EHLO, "EHLO " + "a" * 300, "501 5.5.4"),
    (BEFORE_EHLO, "LHLO mx.example.org", "500 5.5.1"),
    # RFC 5321 section 4.1.4: order
    (BEFORE_EHLO, "MAIL FROM:<bob@example.org>", "503 5.5.1"),
    (AFTER_EHLO, "RCPT TO:<ann@example.test>", "503 5.5.1"),
    (AFTER_EHLO, "DATA", "503 5.5.1"),
    (AFTER_MAIL, "MAIL FROM:<bob@example.org>", "503 5.5.1"),
    (AFTER_MAIL, "DATA", "503 5.5.1"),
    (AFTER_RCPT, "EHLO again.example.org\r\nDATA", "503 5.5.1"),
    (AFTER_RCPT, "RSET\r\nDATA", "503 5.5.1"),
    (AFTER_RCPT, "NOOP\r\nDATA", "354"),
    # RFC 5321 section 4.1.1.2: MAIL
    (AFTER_EHLO, "MAIL FROM:<>", "250 2.1.0"),
    (AFTER_EHLO, "mail from:<bob@example.org>", "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM: <bob@example.org>", "250 2.1.0"),
    (AFTER_EHLO, 'MAIL FROM:<"b>o b"@example.org>', "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM:<@a.example,@b.example:bob@example.org>", "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM:<bob@[192.0.2.1]>", "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM:<bob@[IPv6:2001:db8::1]>", "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM:<bob@[192.0.2.999]>", "501 5.1.7"),
    (AFTER_EHLO, "MAIL FROM:<bob>", "501 5.1.7"),
    (AFTER_EHLO, "MAIL FROM:<bob@-example.org>", "501 5.1.7"),
    (AFTER_EHLO, "MAIL FROM:<@a..b:bob@example.org>", "501 5.1.7"),
    (AFTER_EHLO, f"MAIL FROM:<{'b' * 65}@example.org>", "501 5.1.7"),
    (AFTER_EHLO, f"MAIL FROM:<b@{'e.' * 130}org>", "501 5.1.7"),
    (AFTER_EHLO, "MAIL FROM:bob@example.org", "501 5.5.4"),
    (AFTER_EHLO, "MAIL TO:<bob@example.org>", "501 5.5.4"),
    (AFTER_EHLO, "MAIL", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org>SIZE=1", "501 5.5.4"),
    # RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8)
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=1000 BODY=8BITMIME SMTPUTF8", "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> body=7bit size=0", "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=37748736", "250 2.1.0"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=37748737", "552 5.3.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=99999999999999999999", "552 5.3.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=999999999999999999999", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=-1", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=٣", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SIZE=1 SIZE=1", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> BODY=BINARYMIME", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> SMTPUTF8=yes", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> =1", "501 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> RET=FULL", "555 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> AUTH=<>", "555 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<bob@example.org> REQUIRETLS", "555 5.5.4"),
    (AFTER_HELO, "MAIL FROM:<bob@example.org> SIZE=1000", "555 5.5.4"),
    (AFTER_EHLO, "MAIL FROM:<jürgen@example.org>", "553 5.6.7"),
    (AFTER_EHLO, "MAIL FROM:<jürgen@bücher.example> SMTPUTF8", "250 2.1.0"),
    # RFC 5321 section 4.1.1.3: RCPT
    (AFTER_MAIL, "RCPT TO:<ann@example.test>", "250 2.1.5"),
    (AFTER_MAIL, "RCPT TO:<ann@EXAMPLE.TEST>", "250 2.1.5"),
    (AFTER_MAIL, "RCPT TO:<@relay.example:ann@example.test>", "250 2.1.5"),
    (AFTER_MAIL, "RCPT TO:<Postmaster>", "250 2.1.5"),
    (AFTER_MAIL, "RCPT TO:<nobody@example.test>", "550 5.1.1"),
    (AFTER_MAIL, "RCPT TO:<full@example.test>", "452 4.2.2"),
    (AFTER_MAIL, "RCPT TO:<suspended@example.test>", "550 5.2.1"),
    (AFTER_MAIL, "RCPT TO:<ann@elsewhere.example>", "550 5.7.1"),
    (AFTER_MAIL, "RCPT TO:<ann%elsewhere.example@elsewhere.example>", "550 5.7.1"),
    (AFTER_MAIL, "RCPT TO:<ann@[192.0.2.1]>", "550 5.7.1"),
    (AFTER_MAIL, "RCPT TO:<>", "501 5.1.3"),
    (AFTER_MAIL, "RCPT TO:<ann>", "501 5.1.3"),
    (AFTER_MAIL, "RCPT TO:<ann@example.test@[192.0.2.1>", "501 5.1.3"),
    (AFTER_MAIL, "RCPT FROM:<ann@example.test>", "501 5.5.4"),
    (AFTER_MAIL, "RCPT TO:<ann@example.test> NOTIFY=NEVER", "555 5.5.4"),
    (AFTER_MAIL, "RCPT TO:<ann@example.test> ORCPT=rfc822;ann@example.test", "555 5.5.4"),
    (AFTER_MAIL, "RCPT TO:<änn@example.test>", "553 5.6.7"),
    (AFTER_UTF8_MAIL, "RCPT TO:<änn@example.test>", "250 2.1.5"),
    # RFC 5321 sections 4.1.1.4 to 4.1.1.10
    (AFTER_RCPT, "DATA now", "501 5.5.4"),
    (AFTER_RCPT, "DATA", "354"),
    (AFTER_EHLO, "RSET", "250 2.0.0"),
    (AFTER_EHLO, "RSET all", "501 5.5.4"),
    (BEFORE_EHLO, "NOOP", "250 2.0.0"),
    (BEFORE_EHLO, "NOOP with words", "250 2.0.0"),
    (BEFORE_EHLO, "HELP", "214 2.0.0"),
    (BEFORE_EHLO, "HELP MAIL", "214 2.0.0"),
    (AFTER_EHLO, "VRFY ann", "252 2.5.0"),
    (AFTER_EHLO, "VRFY", "501 5.5.4"),
    (AFTER_EHLO, "EXPN staff", "502 5.5.1"),
    (AFTER_EHLO, "QUIT", "221 2.0.0"),
    (AFTER_EHLO, "QUIT now", "501 5.5.4"),
    (AFTER_EHLO, "QUIT ", "221 2.0.0"),
    (AFTER_EHLO, "STARTTLS", "502 5.5.1"),
    # RFC 5321 section 4.2.4: what is no command
    (AFTER_EHLO, "TURN", "500 5.5.1"),
    (AFTER_EHLO, "", "500 5.5.1"),
    (AFTER_EHLO, "GET / HTTP/1.1", "500 5.5.1"),
    # RFC 5321 section 2.3.8: lines
    (AFTER_EHLO, "NOOP a\rb", "500 5.5.2"),
    (AFTER_EHLO, "NOOP a\0b", "500 5.5.2"),
    (AFTER_EHLO, "NOOP " + "x" * 2041, "250 2.0.0"),
    (AFTER_EHLO, "NOOP " + "x" * 2042, "500 5.5.2"),
]


@pytest.mark.parametrize(("before", "command", "expected"), REPLIES)
def test_each_command_gets_the_reply_that_its_section_asks_for(talk, before, command, expected):
    conversation = talk()
    conversation.answer(before)

    assert conversation.codes(command + "\r\n")[-1] == expected


def test_the_greeting_names_host_and_protocol(talk):
    assert talk().greeting == b"220 mx.example.test ESMTP ledgermail\r\n"


def test_ehlo_lists_the_extensions_and_starttls_only_with_a_certificate(talk):
    without, with_tls = talk().answer(AFTER_EHLO), talk(offers_tls=True).answer(AFTER_EHLO)

    assert without == (
        "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 37748736\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
        "250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n"
    )
    assert "250-STARTTLS\r\n" in with_tls


def test_a_bare_lf_ends_no_command(talk):
    """RFC 5321 section 2.3.8."""
    assert talk().codes("NOOP\nNOOP\r\n") == ["500 5.5.2", "250 2.0.0"]


def test_a_line_that_is_no_utf8_is_refused(talk):
    assert talk().codes(b"NOOP \xff\xfe\r\n") == ["500 5.5.2"]


def test_a_mail_comes_through_with_its_whole_envelope(talk, reception):
    conversation = talk()
    conversation.answer("EHLO mx.example.org\r\n")
    codes = conversation.codes(
        'MAIL FROM:<@hop.example:"bob"@Example.ORG> SIZE=30 BODY=8BITMIME\r\n'
        "RCPT TO:<Ann+lists@Example.Test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<postmaster>\r\nDATA\r\n"
    )
    accepted = conversation.answer("Subject: hi\r\n\r\n..dot\r\n.\r\n")

    assert codes == ["250 2.1.0", "250 2.1.5", "550 5.1.1", "250 2.1.5", "354"]
    assert accepted == "250 2.0.0 Ok: accepted as a00000000\r\n"
    [(envelope, content)] = reception.mails()
    assert content == b"Subject: hi\r\n\r\n.dot\r\n"
    assert envelope.reverse_path == "bob@example.org"
    assert [recipient.forward_path for recipient in envelope.recipients] == ["Ann+lists@example.test", "postmaster"]
    assert (envelope.body_type, envelope.smtputf8, envelope.protocol) == ("8BITMIME", False, "ESMTP")
    assert (envelope.helo, envelope.peer, envelope.tls) == ("mx.example.org", "192.0.2.7", None)
    assert (envelope.hostname, envelope.received_at) == ("mx.example.test", 1_790_000_000_000)
    assert (envelope.source, envelope.size_bytes) == ("inbound", 21)


def test_the_announced_size_reaches_the_judge(talk, reception):
    talk().answer(AFTER_EHLO + "MAIL FROM:<> SIZE=12345\r\nRCPT TO:<ann@example.test>\r\n")

    assert reception.announced == [12345]


@pytest.mark.parametrize(
    ("hello", "mail", "tls", "protocol"),
    [  # RFC 3848, RFC 6531 section 4.3
        ("HELO", "", False, "SMTP"),
        ("EHLO", "", False, "ESMTP"),
        ("EHLO", "", True, "ESMTPS"),
        ("EHLO", " SMTPUTF8", False, "UTF8SMTP"),
        ("EHLO", " SMTPUTF8", True, "UTF8SMTPS"),
        ("LHLO", "", False, "LMTP"),
        ("LHLO", "", True, "LMTPS"),
        ("LHLO", " SMTPUTF8", True, "UTF8LMTPS"),
    ],
)
def test_the_protocol_of_the_envelope_is_the_registered_name(talk, reception, hello, mail, tls, protocol):
    conversation = talk(lmtp=hello == "LHLO", offers_tls=True)
    if tls:
        conversation.answer("STARTTLS\r\n")
    conversation.answer(f"{hello} mx\r\nMAIL FROM:<>{mail}\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n")
    conversation.answer("x\r\n.\r\n")

    [(envelope, _content)] = reception.mails()
    assert envelope.protocol == protocol
    assert envelope.tls == ("TLSv1.3 TLS_AES_256_GCM_SHA384" if tls else None)


def test_several_mails_go_through_one_connection(talk, reception):
    conversation = talk()
    for number in range(3):
        conversation.ready()
        assert conversation.codes(f"DATA\r\n{number}\r\n.\r\nNOOP\r\n") == ["354", "250 2.0.0", "250 2.0.0"]

    assert [content for _envelope, content in reception.mails()] == [b"0\r\n", b"1\r\n", b"2\r\n"]


def test_what_follows_starttls_in_clear_is_thrown_away(talk, reception):
    """CVE-2011-0411."""
    conversation = talk(offers_tls=True)

    assert conversation.codes("EHLO mx\r\nSTARTTLS\r\nMAIL FROM:<evil@example.org>\r\n") == ["250", "220 2.0.0"]
    assert conversation.codes("RCPT TO:<ann@example.test>\r\n") == ["503 5.5.1"]


def test_what_arrives_in_clear_while_the_handshake_is_awaited_is_thrown_away_too(smtp_host):
    """CVE-2011-0411, in a packet of its own."""
    conversation = Conversation(smtp_host(), client=Client("192.0.2.7"), offers_tls=True)
    conversation.greet()

    assert conversation.receive(b"STARTTLS\r\n")[-1] == StartTls()
    assert conversation.receive(b"NOOP\r\n") == []
    assert conversation.secured("TLSv1.3 X") == []


def test_after_starttls_the_client_introduces_itself_again_and_tls_is_no_longer_offered(talk):
    """RFC 3207 section 4.2."""
    conversation = talk(offers_tls=True)
    conversation.answer("EHLO mx\r\nSTARTTLS\r\n")

    assert conversation.codes("MAIL FROM:<>\r\n") == ["503 5.5.1"]
    assert "STARTTLS" not in conversation.answer("EHLO mx\r\n")
    assert conversation.codes("STARTTLS\r\n") == ["503 5.5.1"]


def test_pipelined_commands_are_answered_in_order_wherever_the_input_is_cut(smtp_host, talk, reception):
    """RFC 2920 section 3.2."""
    group = (
        b"EHLO mx\r\nMAIL FROM:<bob@example.org>\r\nRCPT TO:<ann@example.test>\r\nRCPT TO:<nobody@example.test>\r\n"
        b"DATA\r\nhi\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n"
    )
    expected = ["250", "250 2.1.0", "250 2.1.5", "550 5.1.1", "354", "250 2.0.0"]
    expected += ["250 2.0.0", "250 2.0.0", "221 2.0.0"]
    for cut in range(len(group) + 1):
        conversation = talk()
        assert conversation.codes(group[:cut]) + conversation.codes(group[cut:]) == expected
        assert conversation.closed

    assert {content for _envelope, content in reception.mails()} == {b"hi\r\n"}
    assert len(expected) == len(talk().codes(group))


def test_octet_by_octet_is_the_same_conversation(talk):
    conversation = talk()
    line = b"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n.a\r\n.\r\nQUIT\r\n"
    codes = [code for octet in line for code in conversation.codes(bytes([octet]))]

    assert codes == ["250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221 2.0.0"]


def test_nothing_is_heard_after_quit(talk):
    conversation = talk()

    assert conversation.codes("QUIT\r\nNOOP\r\n") == ["221 2.0.0"]
    assert conversation.closed
    assert conversation.answer("NOOP\r\n") == ""
