"""Owners' rules run on mail that is delivered to them."""

import asyncio

import pytest

from domain.decisions import CreateLabel, UndoSubmission
from domain.ids import MailboxId, SubmissionId
from domain.refusals import AlreadySentError
from gateways.authentication.arc import validate
from gateways.authentication.dkim_keys import ACTIVE, new_keys
from gateways.filtering.forwarded import Forwarding
from gateways.screening import Screening
from gateways.srs import Srs
from infra.dkim_keys import PostgresDkimKeys
from infra.dns_resolver import DnsResolver
from tests.contracts.queue import Clock
from tests.dns_zone import Zone, serving
from tests.gateways.authentication.given_message import evidence_of
from tests.gateways.delivery.test_sender import Crash, CrashesAt
from tests.gateways.filtering.delivering import (
    MAIL,
    delivered,
    noted,
    put_rules,
    put_script,
    put_vacation,
    raw_of,
    settle,
    submissions,
)
from tests.post_office import PostOffice

ALL = 'require ["fileinto", "copy", "imap4flags", "mailbox", "reject", "vacation", "editheader", "variables"];\n'


def label(office: PostOffice, path: str, mailbox_id: str = "m1") -> str:
    command = CreateLabel(mailbox_id=MailboxId(mailbox_id), command_id=f"label:{path}", path=path)
    return str(office.lane.run(command).answer["id"])


def test_a_script_files_and_flags_and_another_mailbox_has_its_own(office: PostOffice) -> None:
    birds = label(office, "Birds")
    put_script(office, ALL + 'addflag "\\\\Flagged"; fileinto "birds"; addflag "\\\\Seen"; fileinto :copy "Archive";')
    office.accept(MAIL % b"1", "ann@example.test", "carl@example.test")
    settle(office)
    (mine,), (other,) = delivered(office), delivered(office, "m2")
    assert mine.labels == tuple(sorted(("ARCHIVE", birds)))
    assert mine.keywords == ("$flagged", "$seen")
    assert (other.labels, other.keywords) == (("INBOX",), ())


def test_a_label_that_a_script_makes_is_made_once_with_its_parents(office: PostOffice) -> None:
    put_script(office, ALL + 'fileinto :create "Birds/Fast"; keep;')
    office.accept(MAIL % b"1", "ann@example.test")
    office.accept(MAIL % b"2", "ann@example.test")
    settle(office)
    first, second = delivered(office)
    assert first.labels == second.labels
    assert len(first.labels) == 2
    made = office.rows("SELECT name FROM labels WHERE mailbox_id = 'm1' AND role IS NULL ORDER BY created_seq")
    assert made == [("Birds",), ("Fast",)]


def test_json_rules_come_before_the_script_and_stop_ends_both(office: PostOffice) -> None:
    news = label(office, "News")
    hello = {"field": "subject", "op": "begins_with", "value": "hel"}
    rule = {"conditions": [hello], "actions": [{"do": "add_label", "label": news}, {"do": "star"}]}
    put_rules(office, rule)
    put_script(office, ALL + 'addflag "after";')
    office.accept(MAIL % b"1", "ann@example.test")
    settle(office)
    put_rules(office, {**rule, "stop": True, "actions": [{"do": "archive"}, {"do": "mark_read"}]})
    office.accept(MAIL % b"2", "ann@example.test")
    settle(office)
    first, second = delivered(office)
    assert (first.labels, first.keywords) == (tuple(sorted(("INBOX", news))), ("$flagged", "after"))
    assert (second.labels, second.keywords) == (("ARCHIVE",), ("$seen",))


def test_what_rules_throw_away_lies_in_trash_and_says_so(office: PostOffice) -> None:
    put_script(office, "discard;")
    office.accept(MAIL % b"1", "ann@example.test")
    settle(office)
    (event,) = delivered(office)
    assert event.labels == ("TRASH",)
    assert noted(event) == {"discarded": True}


def test_a_failing_script_keeps_the_mail_and_its_owner_is_told_once(office: PostOffice) -> None:
    put_script(office, ALL + 'addflag "\\\\Seen";\nfileinto "Nowhere";')
    for number in range(3):
        office.accept(MAIL % b"%d" % number, "ann@example.test")
        settle(office)
    events = delivered(office)
    assert [event.labels for event in events] == [("INBOX",)] * 4
    assert [event.personal.subject for event in events if event.personal].count("Your mail filters do not work") == 1
    assert noted(events[0]) == {"error": "line 3: there is no label 'Nowhere'"}


def test_no_rule_sees_what_screening_puts_into_spam(office: PostOffice) -> None:
    put_script(office, ALL + 'redirect "carl@example.test"; vacation "Away";')
    screening = Screening(disposition="quarantine")
    office.accept(MAIL % b"1", "ann@example.test", screening=screening)
    settle(office)
    (event,) = delivered(office)
    assert event.labels == ("SPAM",)
    assert not delivered(office, "m2")


@pytest.mark.parametrize("found", [Screening(spf="fail"), Screening(dmarc="fail", policy="none")], ids=["spf", "dmarc"])
@pytest.mark.parametrize("script", ['vacation "Away";', 'reject "No";'])
def test_nobody_is_answered_who_did_not_write(office: PostOffice, found: Screening, script: str) -> None:
    put_script(office, ALL + script)
    office.accept(MAIL % b"1", "ann@example.test", screening=found)
    settle(office)
    assert not submissions(office)
    office.accept(MAIL % b"2", "ann@example.test", screening=Screening(spf="pass", dmarc="pass"))
    settle(office)
    assert len(submissions(office)) == 1


def test_a_forwarder_who_is_trusted_forges_nobody(office: PostOffice) -> None:
    put_vacation(office)
    forwarded = Screening(spf="fail", dmarc="fail", override="trusted_forwarder")
    office.accept(MAIL % b"1", "ann@example.test", screening=forwarded)
    settle(office)
    assert [stream for stream, _, _ in submissions(office)] == ["vacation"]


def test_an_answer_that_its_owner_wrote_as_mime_has_whole_line_ends_alone(office: PostOffice) -> None:
    put_script(office, ALL + 'vacation :mime "Content-Type: text/plain\r\n\r\nOne\rTwo\r\rThree\r\n.\rFour";')
    mail = MAIL.replace(b"bob@elsewhere.test>\r\nTo", b"carl@example.test>\r\nTo")
    office.accept(mail % b"1", "ann@example.test", reverse_path="carl@example.test")
    settle(office)
    (answer,) = delivered(office, "m2")
    raw = raw_of(office, answer)
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert raw.endswith(b"\r\n\r\nOne\r\nTwo\r\n\r\nThree\r\n.\r\nFour")


def test_a_reply_goes_once_to_each_sender_within_its_days(office: PostOffice, clock: Clock) -> None:
    put_vacation(office, interval_days=3)
    mail = MAIL.replace(b"bob@elsewhere.test>\r\nTo", b"carl@example.test>\r\nTo")
    for number in range(3):
        office.accept(mail % b"%d" % number, "ann@example.test", reverse_path="carl@example.test")
    settle(office)
    assert len(delivered(office)) == 3
    (answer,) = delivered(office, "m2")
    assert answer.personal
    assert answer.personal.subject == "Away"
    assert answer.personal.from_[0].address == "ann@example.test"
    raw = raw_of(office, answer)
    assert b"Auto-Submitted: auto-replied\r\n" in raw
    assert b"In-Reply-To: <0@elsewhere.test>\r\n" in raw
    assert answer.server
    assert answer.server.trace.startswith("Return-Path: <>\r\n")
    assert submissions(office) == [("vacation", "delivered", "carl@example.test")]
    clock.advance(3 * 86_400 + 1)
    office.accept(mail % b"4", "ann@example.test", reverse_path="carl@example.test")
    settle(office)
    assert len(delivered(office, "m2")) == 2


def test_nobody_is_answered_who_is_a_list_a_machine_or_did_not_write_to_the_owner(office: PostOffice) -> None:
    put_vacation(office)
    fields = [
        b"Auto-Submitted: auto-replied",
        b"Precedence: bulk",
        b"List-Id: <a.b>",
        b"List-Unsubscribe: <mailto:a@b>",
        b"X-Auto-Response-Suppress: OOF",
    ]
    for number, field in enumerate(fields):
        office.accept(field + b"\r\n" + MAIL % b"%d" % number, "ann@example.test", reverse_path="carl@example.test")
    office.accept(MAIL % b"to", "ann@example.test", reverse_path="")
    office.accept(MAIL % b"self", "ann@example.test", reverse_path="ann+x@example.test")
    office.accept(MAIL % b"robot", "ann@example.test", reverse_path="no-reply@example.test")
    other = MAIL.replace(b"To: Ann <ann@", b"To: Zoe <zoe@")
    office.accept(other % b"bcc", "ann@example.test", reverse_path="carl@example.test")
    settle(office)
    assert len(delivered(office)) == len(fields) + 4
    assert not submissions(office)
    assert not delivered(office, "m2")


def test_a_forwarded_copy_is_what_arrived_below_our_fields(office: PostOffice) -> None:
    put_script(office, ALL + 'redirect :copy "carl@example.test";')
    raw = b"Bcc: kept@elsewhere.test\r\n" + MAIL % b"1"
    office.accept(raw, "ann@example.test")
    settle(office)
    (kept,), (copy,) = delivered(office), delivered(office, "m2")
    assert kept.labels == copy.labels == ("INBOX",)
    forwarded = raw_of(office, copy)
    assert forwarded.endswith(raw)
    assert forwarded.startswith(b"Delivered-To: ann@example.test\r\nReceived: from mail.elsewhere.test ")
    assert b"Return-Path" not in forwarded
    assert copy.server
    assert copy.server.trace.startswith("Return-Path: <SRS0=")
    assert noted(kept) == {"forwarded": ["carl@example.test"]}
    assert submissions(office) == [("forward", "delivered", "carl@example.test")]


def test_a_copy_that_cannot_be_delivered_is_told_to_the_sender_where_nobody_here_reads_it(office: PostOffice) -> None:
    put_script(office, ALL + 'redirect "gone@example.test"; if header "subject" "Hello" { keep; }')
    office.accept(MAIL.replace(b"Hello", b"Other") % b"1", "ann@example.test")
    office.accept(MAIL % b"2", "ann@example.test")
    settle(office)
    assert submissions(office) == [("forward", "bounced", "gone@example.test")] * 2
    (told,) = office.rows("SELECT record FROM relay_records")
    assert b"bob@elsewhere.test" in told[0]
    assert b"SRS0" not in told[0]


def test_what_a_rule_says_in_broken_characters_holds_no_mail_up(office: PostOffice) -> None:
    put_script(
        office, ALL + 'if header :matches "subject" "*" { vacation :subject "${1}" "a"; addheader "X-S" "${1}"; }'
    )
    for number, subject in enumerate(
        [b"=?utf-16?b?2AA=?=", b"=?utf-8?q?=ED=A0=80?=", b"\xed\xa0\x80\x00", b"=?utf-7?q?+2AA-?="]
    ):
        raw = MAIL.replace(b"Hello", subject) % b"%d" % number
        office.accept(raw, "ann@example.test", reverse_path="carl@example.test")
    settle(office)
    assert len([event for event in delivered(office) if event.source == "inbound"]) >= 4
    assert not office.rows("SELECT 1 FROM queue_records")
    assert not office.rows("SELECT 1 FROM dead_letters")


def test_two_that_forward_to_each_other_stop_at_the_second_pass(office: PostOffice) -> None:
    put_script(office, ALL + 'redirect :copy "carl@example.test";')
    put_script(office, ALL + 'redirect :copy "ann@example.test";', "m2")
    office.accept(MAIL % b"1", "ann@example.test")
    settle(office)
    assert [noted(event) for event in delivered(office)] == [{"forwarded": ["carl@example.test"]}, {"loop": True}]
    assert len(delivered(office, "m2")) == 1


def test_what_is_only_forwarded_lies_in_trash(office: PostOffice) -> None:
    put_script(office, 'redirect "carl@example.test";')
    office.accept(MAIL % b"1", "ann@example.test")
    settle(office)
    assert [event.labels for event in delivered(office)] == [("TRASH",)]
    assert len(delivered(office, "m2")) == 1


def test_a_rejection_tells_the_sender_and_never_a_list(office: PostOffice) -> None:
    put_script(office, ALL + 'reject "I do not want this.";')
    office.accept(MAIL % b"1", "ann@example.test", reverse_path="carl@example.test")
    office.accept(b"List-Id: <a.b>\r\n" + MAIL % b"2", "ann@example.test", reverse_path="carl@example.test")
    office.accept(MAIL % b"3", "ann@example.test", reverse_path="")
    settle(office)
    assert [event.labels for event in delivered(office)] == [("TRASH",)] * 3
    (told,) = delivered(office, "m2")
    raw = raw_of(office, told)
    assert b"report-type=disposition-notification" in raw
    assert b"I do not want this." in raw
    assert b"Disposition: automatic-action/MDN-sent-automatically; deleted\r\n" in raw


def test_fields_that_a_script_adds_stand_before_the_message_in_this_mailbox_only(office: PostOffice) -> None:
    put_script(office, ALL + 'addheader "X-Sorted" "yes"; redirect :copy "carl@example.test";')
    office.accept(MAIL % b"1", "ann@example.test", "carl@example.test")
    settle(office)
    (mine,), (direct, copy) = delivered(office), delivered(office, "m2")
    assert mine.server
    assert direct.server
    assert mine.server.trace.endswith("X-Sorted: yes\r\n")
    assert "X-Sorted" not in direct.server.trace
    assert b"X-Sorted: yes\r\n" in raw_of(office, copy)
    assert mine.size == len(mine.server.trace.encode()) + len(MAIL % b"1")


def test_what_a_mailbox_sends_by_itself_counts_for_no_limit_and_cannot_be_undone(office: PostOffice) -> None:
    put_script(office, ALL + 'redirect :copy "carl@example.test";')
    office.accept(MAIL % b"1", "ann@example.test")
    office.worker().run_due()
    ((submission_id, stream),) = office.rows("SELECT submission_id, stream FROM submissions")
    assert stream == "forward"
    with pytest.raises(AlreadySentError):
        office.lane.run(
            UndoSubmission(mailbox_id=MailboxId("m1"), command_id="undo", submission_id=SubmissionId(submission_id))
        )
    assert office.rows("SELECT blob IS NOT NULL FROM outbox") == [(True,)]
    settle(office)
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder LIKE 'outbox:%%'") == [(0,)]


def test_a_forwarded_copy_is_sealed_where_the_owner_s_domain_has_keys(office: PostOffice) -> None:
    keys = PostgresDkimKeys(office.pool.connection, b"k" * 32)
    keys.add(new_keys("example.test", label="k1", state=ACTIVE))
    srs = Srs(b"secret", "example.test", clock_s=lambda: office.now_ms() / 1000)
    filters = office.filters(forwarding=Forwarding(srs, keys, frozenset({"example.test"})))
    put_script(office, ALL + 'redirect :copy "carl@example.test";')
    screening = Screening(spf="pass", arc="none", results=("spf=pass smtp.mailfrom=elsewhere.test",))
    office.accept(MAIL % b"1", "ann@example.test", screening=screening)
    while office.worker(filters=filters).run_due() + office.sender().run_due():
        pass
    (copy,) = delivered(office, "m2")
    records = {key.name: [("TXT", key.record)] for key in keys.of("example.test")}
    with serving(Zone(records)) as server:
        found = asyncio.run(validate(DnsResolver(server), evidence_of(raw_of(office, copy))))
    assert (found.result, found.sealers) == ("pass", ("example.test",))
    assert "spf=pass smtp.mailfrom=elsewhere.test" in found.sets[0].results


def test_a_crash_after_the_append_repeats_nothing_though_the_rules_have_changed(
    office: PostOffice, clock: Clock
) -> None:
    put_script(office, ALL + 'redirect :copy "carl@example.test"; addflag "first";')
    office.accept(MAIL % b"1", "ann@example.test")
    with pytest.raises(Crash):
        office.worker(queue=CrashesAt(office.queue, "done", after=False)).run_due()
    put_script(office, ALL + 'redirect :copy "carl@example.test"; addheader "X-Other" "yes"; addflag "second";')
    clock.advance(121)
    settle(office)
    (event,), (copy,) = delivered(office), delivered(office, "m2")
    assert event.keywords == ("first",)
    assert b"X-Other" not in raw_of(office, copy)
    assert not office.rows("SELECT 1 FROM queue_records")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("part", "method"), [("queue", "expect"), ("blobs", "put"), ("appender", "submit"), ("queue", "done")]
)
def test_a_crash_at_any_step_neither_loses_nor_doubles_what_is_sent(
    office: PostOffice, clock: Clock, part: str, method: str, after: bool
) -> None:
    put_script(office, ALL + 'redirect :copy "carl@example.test";')
    put_vacation(office)
    office.accept(MAIL % b"1", "ann@example.test", reverse_path="carl@example.test")
    real = {"queue": office.queue, "blobs": office.blobs, "appender": office.lane}[part]
    dying = CrashesAt(real, method, after=after)
    changes = {"filters": office.filters(**{part: dying})} if part != "appender" and method != "done" else {part: dying}
    with pytest.raises(Crash):
        office.worker(**changes).run_due()
    clock.advance(121)
    settle(office)
    assert len(delivered(office)) == 1
    found = [event.personal.subject for event in delivered(office, "m2") if event.personal]
    assert sorted(found) == ["Away", "Hello"]
    assert sorted(stream for stream, _, _ in submissions(office)) == ["forward", "vacation"]
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == [(0,)]
