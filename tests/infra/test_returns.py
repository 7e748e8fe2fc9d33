"""What comes back, with everything real but the doors: worker, lane, directory, and the rows that follow from it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.addresses import EmailAddress
from domain.decisions import SubmitNew
from domain.decisions.delivery import Composed
from domain.events import MessageServer, SubmissionRecipient
from domain.ids import MailboxId, SubmissionId, new_id
from gateways.delivery.incoming import personal_of
from gateways.delivery.reports import report
from gateways.mime.parse import parse
from gateways.reception import Verdict
from infra import blob_references
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.rebuild import rebuild_mailbox, verify_mailbox
from infra.restrictions import standing
from infra.settings import load
from tests.gateways.bounces.test_reading import complaint, status_report
from tests.post_office import MAIL, envelope_of

FAR = "Bob@elsewhere.test"
BLOB = "emails/2026/11/22/sent.eml"
HARD = status_report(f"Final-Recipient: rfc822; {FAR}\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 no such user")
SOFT = status_report(f"Final-Recipient: rfc822; {FAR}\r\nAction: failed\r\nDiagnostic-Code: smtp; 552 mailbox full")


class Sent:
    """Ann's installation, and one message of hers that the relay has handed over."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.post = DeliveryParts(parts)
        self.mailbox_id = parts.accounts.at("ann@example.test").mailbox_id
        self.submission_id = self.submit(FAR)

    def submit(self, *addresses: str, status: str | None = "relayed", notify: tuple[str, ...] = ()) -> SubmissionId:
        raw = MAIL % b"sent"
        self.parts.blobs.put(BLOB, raw)
        with self.parts.connect() as connection:
            blob_references.touch(connection, {BLOB: len(raw)})
        server = MessageServer(blob=BLOB)
        message = Composed(personal=personal_of(parse(raw)), server=server, size=len(raw), received_at=1)
        command = SubmitNew(
            mailbox_id=self.mailbox_id,
            command_id=new_id("c"),
            mail_from="ann@example.test",
            recipients=tuple(SubmissionRecipient(address, notify=notify) for address in addresses),
            send_at_ms=1,
            undo_until_ms=1,
            stream="personal",
            message=message,
        )
        submission_id = SubmissionId(self.parts.lane.run(command).answer["submission_id"])
        for place in range(len(addresses) if status is not None else 0):
            self.parts.lane.run(report(self.mailbox_id, submission_id, place, status=status or "", last_reply="250 ok"))
        return submission_id

    def path(self, place: int = 0, submission_id: SubmissionId | None = None) -> str:
        return self.parts.return_paths.make(self.mailbox_id, submission_id or self.submission_id, place)

    def arrive(self, raw: bytes, to: str, *, sender: str = "") -> None:
        """Accepted at the door, and worked on until nothing is due."""
        envelope = envelope_of(raw, to, received_at=self.now_ms())
        spool = self.post.reception.spool()
        spool.write(raw)
        self.post.reception.accept(msgspec.structs.replace(envelope, reverse_path=sender), spool)
        worker = self.post.worker()
        while worker.run_due():
            pass

    @staticmethod
    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    def recipients(self, submission_id: SubmissionId | None = None) -> list[dict[str, Any]]:
        query = "SELECT recipients::text FROM submissions WHERE mailbox_id = %s AND submission_id = %s"
        with self.parts.connect() as connection:
            row = connection.execute(query, (self.mailbox_id, submission_id or self.submission_id)).fetchone()
        return list(msgspec.json.decode(row[0])) if row is not None else []

    def topics(self) -> list[str]:
        return [recorded.topic for recorded in self.parts.reader.recorded(self.mailbox_id)]

    def subjects(self, address: str = "ann@example.test") -> list[str]:
        """Of what is in the inbox there."""
        entry = self.parts.directory.find(address)
        assert entry is not None
        query = (
            "SELECT summary ->> 'subject' FROM messages WHERE mailbox_id = %s AND 'INBOX' = ANY(labels)"
            " ORDER BY delivered_seq"
        )
        with self.parts.connect() as connection:
            return [subject for (subject,) in connection.execute(query, (entry.mailbox_id,))]

    def queued(self) -> int:
        with self.parts.connect() as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM queue_records").fetchall()
        return int(count)


@pytest.fixture
def sent(database_url: str, data_folder: Path) -> Iterator[Sent]:
    environment = {
        "LEDGERMAIL_DATABASE_URL": database_url,
        "LEDGERMAIL_DATA": str(data_folder),
        "LEDGERMAIL_COMPLAINTS": "FBL@example.test",
    }
    with Parts(load(environment)) as parts:
        parts.ensure_operator()
        parts.registration.register("ann@example.test", "a long enough pass phrase 71")
        yield Sent(parts)


def test_a_late_bounce_is_told_to_log_list_and_sender_once_however_often_it_comes(sent: Sent) -> None:
    for _again in range(3):
        sent.arrive(HARD, sent.path())
    (told,) = sent.recipients()
    assert (told["status"], told["feedback"], told["last_reply"]) == ("bounced", "hard", "550 no such user")
    assert sent.topics().count("AddressSuppressed") == 1
    assert sent.subjects() == ["Undelivered mail returned to sender"]
    assert sent.parts.suppressions.is_suppressed(sent.mailbox_id, [FAR.upper(), "eve@elsewhere.test"]) == {FAR.upper()}
    assert sent.queued() == 0


def test_the_notice_of_a_late_bounce_says_in_our_words_what_the_far_server_said(sent: Sent) -> None:
    sent.arrive(HARD, sent.path())
    with sent.parts.connect() as connection:
        query = "SELECT blob FROM messages WHERE mailbox_id = %s AND 'INBOX' = ANY(labels)"
        ((blob,),) = connection.execute(query, (sent.mailbox_id,)).fetchall()
    text = sent.parts.blobs.read(blob).decode()
    assert f"<{FAR}>\r\n    550 no such user" in text
    assert f"Final-Recipient: rfc822; {FAR}\r\nAction: failed" in text
    assert "suppression list" in text
    assert "It could not be delivered." not in text


@pytest.mark.parametrize(("notify", "notices"), [(("NEVER",), 0), (("SUCCESS", "DELAY"), 0), (("FAILURE",), 1)])
def test_the_sender_who_asked_for_no_word_of_failures_gets_none(
    sent: Sent, notify: tuple[str, ...], notices: int
) -> None:
    """RFC 3461 section 4.1."""
    submission_id = sent.submit(FAR, notify=notify)
    sent.arrive(HARD, sent.path(submission_id=submission_id))
    assert [one["status"] for one in sent.recipients(submission_id)] == ["bounced"]
    assert len(sent.subjects()) == notices


def test_a_soft_bounce_is_told_and_suppresses_nobody(sent: Sent) -> None:
    sent.arrive(SOFT, sent.path())
    assert [one["status"] for one in sent.recipients()] == ["bounced"]
    assert sent.parts.suppressions.page(sent.mailbox_id) == []
    assert sent.subjects() == ["Undelivered mail returned to sender"]


def test_a_bounce_of_what_had_not_been_told_as_sent_gives_no_notice(sent: Sent) -> None:
    submission_id = sent.submit(FAR, status="deferred")
    sent.arrive(HARD, sent.path(submission_id=submission_id))
    assert [one["status"] for one in sent.recipients(submission_id)] == ["bounced"]
    assert sent.subjects() == []


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_a_report_of_a_delay_or_of_success_changes_nothing(sent: Sent, action: str) -> None:
    sent.arrive(status_report(f"Final-Recipient: rfc822; {FAR}\r\nAction: {action}"), sent.path())
    assert [one["status"] for one in sent.recipients()] == ["relayed"]
    assert sent.subjects() == sent.subjects("postmaster@example.test") == []
    assert sent.queued() == 0


def test_a_report_of_several_behind_one_address_is_hard_only_if_all_failed_for_good(sent: Sent) -> None:
    one, other = (f"Final-Recipient: rfc822; {name}@inner.test\r\nAction: " for name in ("x", "y"))
    sent.arrive(status_report(f"{one}failed\r\nStatus: 5.1.1", f"{other}delivered"), sent.path())
    assert [told["feedback"] for told in sent.recipients()] == ["soft"]
    sent.arrive(status_report(f"{one}failed\r\nStatus: 5.1.1", f"{other}failed\r\nStatus: 5.1.1"), sent.path())
    assert [told["feedback"] for told in sent.recipients()] == ["hard"]


def test_a_complaint_at_the_address_for_complaints_is_matched_by_what_it_quotes(sent: Sent) -> None:
    original = f"Return-Path: <{sent.path()}>\r\nTo: {FAR}\r\nSubject: News"
    assert judged(sent, "fbl@example.test") is Verdict.ACCEPT
    sent.arrive(complaint(original=original), "fbl@example.test", sender="fbl@provider.test")
    assert [(one["status"], one["feedback"]) for one in sent.recipients()] == [("relayed", "complaint")]
    assert [one.why for one in sent.parts.suppressions.page(sent.mailbox_id)] == ["complaint"]
    assert sent.subjects() == []


def test_feedback_that_is_no_complaint_changes_nothing(sent: Sent) -> None:
    sent.arrive(complaint("not-spam"), sent.path())
    assert "AddressSuppressed" not in sent.topics()
    assert sent.subjects("postmaster@example.test") == []


def test_what_cannot_be_matched_goes_to_the_operator(sent: Sent) -> None:
    sent.arrive(complaint(), "FBL@example.test", sender="fbl@provider.test")
    sent.arrive(b"From: x@elsewhere.test\r\nSubject: Hm\r\n\r\nGreetings.\r\n", sent.path())
    unknown = sent.parts.return_paths.make(sent.mailbox_id, SubmissionId(new_id("s")), 0)
    sent.arrive(HARD, unknown)
    sent.arrive(HARD, sent.path(place=7))
    gone = sent.parts.return_paths.make(MailboxId(new_id("m")), sent.submission_id, 0)
    sent.arrive(HARD, gone)
    expected = ["FW: News", "Hm", *["Delivery Status Notification"] * 3]
    assert sent.subjects("postmaster@example.test") == expected
    assert sent.subjects() == []
    assert [one["status"] for one in sent.recipients()] == ["relayed"]


def test_what_no_machine_sent_is_returned_to_its_sender_even_from_within(sent: Sent) -> None:
    sent.parts.registration.register("eve@example.test", "a long enough pass phrase 72")
    sent.arrive(HARD, sent.path(), sender="eve@example.test")
    assert [one["status"] for one in sent.recipients()] == ["relayed"]
    assert sent.subjects("eve@example.test") == ["Undelivered mail returned to sender"]


def test_another_mailboxs_standing_is_never_touched(sent: Sent) -> None:
    sent.parts.registration.register("eve@example.test", "a long enough pass phrase 72")
    eve = sent.parts.accounts.at("eve@example.test").mailbox_id
    sent.arrive(HARD, sent.path())
    sent.arrive(HARD, sent.parts.return_paths.make(eve, sent.submission_id, 0))
    assert sent.parts.suppressions.is_suppressed(eve, [FAR]) == frozenset()
    assert sent.subjects("eve@example.test") == []


def judged(sent: Sent, address: str) -> Verdict:
    one = EmailAddress.parse(address)
    verdict = sent.post.reception.judge(one, size_bytes=10)
    assert sent.post.reception.recall(one, size_bytes=10) in (None, verdict)
    return verdict


def test_the_door_knows_a_return_path_from_a_forged_one(sent: Sent) -> None:
    path = sent.path()
    assert judged(sent, path) is judged(sent, path.upper()) is Verdict.ONLY_AUTOMATIC
    forged = path.replace(path[5], "0" if path[5] != "0" else "1", 1)
    assert judged(sent, forged) is Verdict.UNKNOWN_MAILBOX
    assert judged(sent, path.replace("example.test", "elsewhere.test")) is Verdict.NOT_SERVED


def test_nothing_is_sent_to_an_address_on_the_list_and_all_else_is(sent: Sent) -> None:
    sent.arrive(HARD, sent.path())
    submission_id = sent.submit(FAR, "eve@elsewhere.test", "ann@example.test", status=None)
    sender = sent.post.sender()
    while sender.run_due():
        pass
    assert [one["status"] for one in sent.recipients(submission_id)][:2] == ["rejected", "queued"]
    with sent.parts.connect() as connection:
        relayed = connection.execute(
            "SELECT domain, recipients FROM relay_schedule WHERE submission_id = %s", (submission_id,)
        ).fetchall()
    assert relayed == [("elsewhere.test", [1])]


def test_too_many_bounces_halve_the_rate_and_an_operator_lifts_that(sent: Sent) -> None:
    submission_id = sent.submit(*(f"u{n}@elsewhere.test" for n in range(100)))
    for place in range(3):
        sent.arrive(HARD, sent.path(place, submission_id))
    (restriction,) = standing(sent.parts.reader, sent.mailbox_id)
    assert (restriction.what, restriction.why) == ("halved", "bounces: 2 of 101 recipients in 7 days")
    sent.parts.administration.allow_sending(sent.parts.accounts.at("ann@example.test"))
    assert standing(sent.parts.reader, sent.mailbox_id) == []
    sent.arrive(HARD, sent.path(3, submission_id))
    assert standing(sent.parts.reader, sent.mailbox_id) == []


def test_a_rebuild_gives_the_same_rows(sent: Sent) -> None:
    sent.arrive(HARD, sent.path())
    sent.arrive(complaint(), sent.path(submission_id=sent.submit("eve@elsewhere.test")))
    before = sent.parts.suppressions.page(sent.mailbox_id)
    assert [one.address for one in before] == ["bob@elsewhere.test", "eve@elsewhere.test"]
    assert verify_mailbox(sent.parts.conninfo, sent.parts.reader, sent.mailbox_id) == []
    rebuild_mailbox(sent.parts.conninfo, sent.parts.reader, sent.mailbox_id, force=True)
    assert verify_mailbox(sent.parts.conninfo, sent.parts.reader, sent.mailbox_id) == []
    assert sent.parts.suppressions.page(sent.mailbox_id) == before
