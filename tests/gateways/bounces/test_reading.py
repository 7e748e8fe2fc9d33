"""What a report tells: of whom, what happened, and whether that lasts. Whatever arrives is read, and nothing raises."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateways.bounces.reading import MAX_BYTES, read_report
from gateways.bounces.report import Report, Told


def status_report(*groups: str, words: str = "It could not be delivered.", original: str = "") -> bytes:
    """An RFC 3464 report with these groups of recipient fields."""
    quoted = f"--b\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\n" if original else ""
    fields = "\r\n\r\n".join(("Reporting-MTA: dns; mx.example.net", *groups))
    return (
        "From: MAILER-DAEMON@mx.example.net\r\nSubject: Delivery Status Notification\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\n{words}\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{fields}\r\n\r\n{quoted}--b--\r\n"
    ).encode()


def told(raw: bytes) -> list[tuple[str, str, str, str]]:
    return [(one.recipient, one.action, one.kind, one.status) for one in read_report(raw).told]


def test_every_recipient_of_a_status_report_is_told_of() -> None:
    raw = status_report(
        "Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nStatus: 5.1.1",
        "Original-Recipient: rfc822;Eve@example.net\r\nFinal-Recipient: rfc822; e@inner.example\r\nAction: failed\r\n"
        "Status: 5.2.2\r\nDiagnostic-Code: smtp; 552 5.2.2\r\n mailbox full",
        "Final-Recipient: rfc822; <zoe@example.net>\r\nAction: delayed\r\nStatus: 4.4.1",
        "Final-Recipient: utf-8; bücher@example.net\r\nAction: relayed\r\nStatus: 2.0.0",
    )
    assert told(raw) == [
        ("bob@example.net", "failed", "hard", "5.1.1"),
        ("Eve@example.net", "failed", "soft", "5.2.2"),
        ("zoe@example.net", "delayed", "soft", "4.4.1"),
        ("bücher@example.net", "delivered", "soft", "2.0.0"),
    ]


def test_a_folded_diagnostic_is_one_line() -> None:
    group = "Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 no\r\n\tsuch user"
    (one,) = read_report(status_report(group)).told
    assert one.diagnostic == "550 no such user"


def test_what_the_words_say_decides_where_the_fields_give_no_reason() -> None:
    group = "Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nStatus: 5.0.0"
    assert told(status_report(group, words="Sorry, no such user here.")) == [
        ("bob@example.net", "failed", "hard", "5.0.0")
    ]


def test_the_message_reported_on_is_known_by_what_is_quoted_of_it() -> None:
    original = "Return-Path: <b-xyz@example.test>\r\nMessage-ID: <1@example.test>\r\nTo: bob@example.net\r\n\r\nHi"
    report = read_report(status_report("Final-Recipient: rfc822; bob@example.net", original=original))
    assert report.return_paths == ("b-xyz@example.test",)
    assert report.message_id == "1@example.test"


def complaint(
    kind: str = "abuse", *, original: str = "Return-Path: <b-xyz@example.test>\r\nTo: bob@example.net"
) -> bytes:
    return (
        "From: fbl@example.net\r\nSubject: FW: News\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n"
        f"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nVersion: 1\r\n"
        "Original-Mail-From: <b-abc@example.test>\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\n\r\nbody\r\n--b--\r\n"
    ).encode()


def test_a_complaint_tells_of_the_recipient_and_the_way_back() -> None:
    report = read_report(complaint())
    said = Told(recipient="bob@example.net", action="complained", kind="soft", diagnostic="complained: abuse")
    assert report == Report(
        told=(said,), feedback_type="abuse", return_paths=("b-xyz@example.test", "b-abc@example.test")
    )


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_other_feedback_is_no_complaint(kind: str) -> None:
    report = read_report(complaint(kind))
    assert (report.told, report.feedback_type) == ((), kind)


def test_a_complaint_that_hides_its_recipient_is_one_nevertheless() -> None:
    assert told(complaint(original="Subject: x")) == [("", "complained", "soft", "")]


def notice(text: str, *, header: str = "From: MAILER-DAEMON@example.net\r\nSubject: failure notice") -> bytes:
    return f"{header}\r\nContent-Type: text/plain\r\n\r\n{text}".encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n<bob@example.net>:\n"
            "Sorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n"
            "To: <eve@example.net>\n",
            [("bob@example.net", "failed", "hard", "5.1.1")],
        ),
        (
            "The following address(es) failed:\n\n  bob@example.net\n    error from remote mail server after RCPT:\n"
            "    552 Mailbox full\n  eve@example.net\n    Unrouteable address\n",
            [("bob@example.net", "failed", "soft", ""), ("eve@example.net", "failed", "hard", "")],
        ),
        (
            "   ----- Transcript of session follows -----\n550 <bob@example.net>... User unknown\n"
            "554 <eve@example.net>... Remote protocol error: Connection reset by peer\n",
            [("bob@example.net", "failed", "hard", ""), ("eve@example.net", "failed", "soft", "")],
        ),
        (
            "Your message\n\n  Subject: Hi\n\ndid not reach the following recipient(s):\n\nbob@example.net on Thu\n"
            "    The recipient name is not recognized\n",
            [("bob@example.net", "failed", "hard", "")],
        ),
        (
            "Delivery to the following recipient has been delayed:\n\n     bob@example.net\n\n"
            "Message will be retried for 2 more day(s)\n",
            [("bob@example.net", "delayed", "soft", "")],
        ),
    ],
)
def test_reports_for_people_are_read(text: str, expected: list[tuple[str, str, str, str]]) -> None:
    assert told(notice(text)) == expected


def test_a_recipient_that_the_header_names_is_told_of() -> None:
    header = "From: mailer-daemon@example.net\r\nSubject: x\r\nX-Failed-Recipients: bob@example.net, eve@example.net"
    assert [one[0] for one in told(notice("No such user.", header=header))] == ["bob@example.net", "eve@example.net"]


@pytest.mark.parametrize(
    "header",
    [
        "From: Bob <bob@example.net>\r\nAuto-Submitted: auto-replied (vacation)\r\nSubject: Re: Hi",
        "From: Bob <bob@example.net>\r\nSubject: Out of office: back in May",
        "From: Bob <bob@example.net>\r\nX-Autoreply: yes\r\nSubject: Hi",
    ],
)
def test_an_automatic_reply_is_no_bounce(header: str) -> None:
    assert told(notice("I cannot read mail. Ask eve@example.net if it fails.", header=header)) == [
        ("bob@example.net", "replied", "soft", "")
    ]


def test_what_a_machine_writes_about_failures_is_no_bounce_unless_a_mail_system_writes_it() -> None:
    words = "We received your request about the error in your mailbox is full. Write to help@example.net if it fails."
    header = "From: Help <help@example.net>\r\nAuto-Submitted: auto-generated\r\nSubject: [Ticket 17] Hello"
    assert told(notice(words, header=header)) == [("help@example.net", "replied", "soft", "")]
    by_hand = "From: Help <help@example.net>\r\nSubject: [Ticket 17] Hello"
    assert told(notice(words, header=by_hand)) == []


def test_a_failure_that_names_nobody_tells_of_somebody() -> None:
    assert told(notice("Your mail was not delivered: no such user here.")) == [("", "failed", "hard", "")]


def test_a_mail_systems_own_notice_is_no_automatic_reply_whatever_it_says() -> None:
    header = "From: Mail Delivery System <mailer-daemon@example.net>\r\nAuto-Submitted: auto-replied\r\nSubject: x"
    assert told(notice("bob@example.net: user unknown", header=header))[0][1:3] == ("failed", "hard")


def test_a_letter_tells_nothing() -> None:
    assert told(notice("Greetings to bob@example.net", header="From: x@example.net\r\nSubject: Hm")) == []


def test_a_report_of_hundreds_of_recipients_is_read_no_further() -> None:
    group = "Final-Recipient: rfc822; u{}@example.net\r\nAction: failed"
    assert len(told(status_report(*(group.format(n) for n in range(300))))) <= 100


@settings(deadline=None)
@given(st.binary(max_size=5_000))
@example(b"")
@example(b"Content-Type: multipart/report\r\n\r\n")
@example(b"\x1b$" * 2_000)
def test_any_octets_are_read(raw: bytes) -> None:
    assert len(read_report(raw).told) <= 100


@settings(deadline=None)
@given(st.text(max_size=2_000), st.text(max_size=500), st.sampled_from(["delivery-status", "feedback-report"]))
def test_any_text_in_the_places_of_a_report_is_read(fields: str, words: str, kind: str) -> None:
    head = 'From: x\r\nContent-Type: multipart/report; boundary="b"\r\n\r\n'
    parts = f"--b\r\n\r\n{words}\r\n--b\r\nContent-Type: message/{kind}\r\n\r\n{fields}\r\n--b--\r\n"
    assert len(read_report((head + parts).encode(errors="surrogatepass")).told) <= 100


@pytest.mark.parametrize(
    "piece",
    [
        "user ",
        "a@",
        "bob@example.net ",
        "<",
        "mailbox is ",
        "user not ",
        "recipient ",
        "\n",
        "-",
        "550 ",
        "@a.",
        "{",
        ">",
        "]",
    ],
)
def test_what_repeats_without_end_is_read_in_bounded_time(piece: str) -> None:
    text = (piece * (MAX_BYTES // len(piece)))[:MAX_BYTES]
    assert len(read_report(notice(text)).told) <= 100
    whole = read_report(
        status_report(f"Final-Recipient: rfc822; x@y.z\r\nAction: failed\r\nDiagnostic-Code: smtp; {text}")
    )
    assert [told.recipient for told in whole.told] == ["x@y.z"]


@pytest.mark.parametrize("json", ["{" * 60_000, "}{", "{" * 30_000 + "}" * 30_000, "", "}", "{"])
def test_what_only_looks_like_a_services_notice_tells_nothing(json: str) -> None:
    raw = b'From: a@b.test\r\nSubject: hi\r\n\r\n"notificationType"' + json.encode()
    assert told(raw) == []
