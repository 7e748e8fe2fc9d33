"""From the 250 into the mailbox."""

import base64
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from domain.decisions import EraseMailbox
from domain.ids import MailboxId
from gateways.blobs import attachment_blob_name, mail_blob_name
from gateways.delivery.incoming import clean
from gateways.envelope import Envelope, Recipient
from gateways.mail_objects import attachments_of, read_mail
from gateways.mime.parse import parse
from infra.extracts import Extracts
from infra.keys import KeyMissingError
from infra.relay.records import PostgresRelaying
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.contracts.queue import Clock
from tests.delivery_outages import BrokenFor, Keyless
from tests.gateways.delivery.test_sender import Crash, CrashesAt
from tests.post_office import MAIL, OUTAGES, PostOffice

DAY_S = 86_400
CONTENT = bytes(range(256)) * 400


def delivered(office: PostOffice, mailbox_id: str) -> list[Any]:
    """The `MessageDelivered` events of a mailbox."""
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    return [r.event for r in reader.recorded(MailboxId(mailbox_id)) if r.topic == "MessageDelivered"]


def with_attachment(number: int) -> bytes:
    head = MAIL.replace(
        b"\r\n\r\n", b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n'
    )
    encoded = base64.encodebytes(CONTENT).replace(b"\n", b"\r\n")
    part = b"--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=f.png\r\n"
    return head % b"%d" % number + part + b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"--b--\r\n"


def test_what_was_accepted_is_in_the_inbox_of_its_recipient(office: PostOffice) -> None:
    raw = MAIL % b"1"
    office.accept(raw, "ann@example.test")
    assert office.worker().run_due() == 1
    (message,) = office.inbox("m1")
    assert message["subject"] == "Hello"
    assert office.blobs.read(message["blob"]) == raw
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    assert office.rows("SELECT holder FROM blob_references") == [(f"mailbox:m1:{message['id']}",)]


def test_alias_and_tag_of_one_mailbox_give_one_copy_and_others_their_own(office: PostOffice) -> None:
    office.accept(MAIL % b"1", "anna@example.test", "ann+news@example.test", "carl@example.test")
    office.worker().run_due()
    (for_ann,), (for_carl,) = office.inbox("m1"), office.inbox("m2")
    assert for_ann["blob"] == for_carl["blob"]
    (event,) = delivered(office, "m1")
    assert "Delivered-To: anna@example.test\r\n" in event.server.trace
    assert "carl" not in event.server.trace
    kept = msgspec.json.decode(event.server.envelope, type=Envelope)
    assert [r.forward_path for r in kept.recipients] == ["anna@example.test", "ann+news@example.test"]


def test_the_size_is_that_of_trace_block_and_bytes(office: PostOffice) -> None:
    raw = MAIL % b"1"
    office.accept(raw, "ann@example.test")
    office.worker().run_due()
    (event,) = delivered(office, "m1")
    assert event.server.trace.startswith("Return-Path: <bob@elsewhere.test>\r\n")
    assert office.inbox("m1")[0]["size"] == len(event.server.trace.encode()) + len(raw) == event.size


def test_results_forged_in_our_name_are_cut_out_of_what_is_stored(office: PostOffice) -> None:
    raw = MAIL % b"1"
    forged = b"Authentication-Results: MX.example.test;\r\n\tdkim=pass\r\n"
    foreign = b"Authentication-Results: other.test; spf=pass\r\n"
    office.accept(forged + foreign + raw, "ann@example.test")
    office.worker().run_due()
    (message,) = office.inbox("m1")
    assert office.blobs.read(message["blob"]) == foreign + raw
    (event,) = delivered(office, "m1")
    assert event.size == len(event.server.trace.encode()) + len(foreign + raw)


def test_answers_stand_in_the_thread_of_what_they_answer(office: PostOffice) -> None:
    office.accept(MAIL % b"1", "ann@example.test")
    office.accept(b"In-Reply-To: <1@elsewhere.test>\r\n" + MAIL % b"2", "ann@example.test")
    office.worker().run_due()
    first, second = office.inbox("m1")
    assert first["thread_id"] == second["thread_id"]


def test_what_a_database_refuses_becomes_the_replacement_character(office: PostOffice) -> None:
    assert clean("He\0llo \ud800") == "He\ufffdllo ?"
    office.accept((MAIL % b"1").replace(b"Hello", b"He\0llo =?utf-8?q?a=00b?= \xff"), "ann@example.test")
    office.worker().run_due()
    assert "\0" not in office.inbox("m1")[0]["subject"]


def test_a_large_attachment_is_stored_once_for_all_and_held_by_each_mailbox(office: PostOffice) -> None:
    raws = [with_attachment(1), with_attachment(2)]
    for raw in raws:
        office.accept(raw, "ann@example.test", "carl@example.test")
    office.worker().run_due()
    messages = office.inbox("m1")
    for raw, message in zip(raws, messages, strict=True):
        assert office.blobs.size(message["blob"]) < 2_000
        assert read_mail(office.blobs, message["blob"]) == raw
        (attachment,) = attachments_of(office.blobs, message["blob"])
        held = office.rows("SELECT name FROM blob_references WHERE holder = %s", f"mailbox:m1:{message['id']}")
        assert {name for (name,) in held} == {message["blob"], attachment}
    assert len(list(office.blobs.names("attachments/"))) == 1
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == [(0,)]


def test_a_message_made_to_look_like_one_with_holes_is_given_back_as_it_came(office: PostOffice) -> None:
    victim = with_attachment(1)
    office.accept(victim, "carl@example.test")
    office.worker().run_due()
    stolen = office.blobs.read(office.inbox("m2")[0]["blob"])
    office.accept(stolen, "ann@example.test")
    office.worker().run_due()
    assert read_mail(office.blobs, office.inbox("m1")[0]["blob"]) == stolen


def test_what_was_read_once_is_not_read_again(office: PostOffice) -> None:
    office.accept(MAIL % b"1", "ann@example.test")
    office.worker().run_due()
    blob = office.inbox("m1")[0]["blob"]

    def never(name: str) -> bytes:
        raise AssertionError(name)

    assert Extracts(office.pool.connection, never).extract(blob).summary.subject == "Hello"
    office.rows("DELETE FROM extracts RETURNING blob")
    assert Extracts(office.pool.connection, office.blobs.read).extract(blob).text.strip() == "How are you?"
    assert Extracts(office.pool.connection, never).extract(blob).summary.subject == "Hello"


def test_a_senders_repeat_within_seven_days_is_the_same_mail(office: PostOffice, clock: Clock) -> None:
    office.accept(MAIL % b"1", "ann@example.test")
    office.worker().run_due()
    clock.advance(7 * DAY_S)
    office.accept(MAIL % b"1", "ann@example.test", "carl@example.test")
    office.worker().run_due()
    assert len(office.inbox("m1")) == len(office.inbox("m2")) == 1
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]


def test_two_repeats_in_one_batch_are_one_mail(office: PostOffice) -> None:
    for _ in range(3):
        office.accept(MAIL % b"1", "ann@example.test")
    office.worker().run_due()
    assert len(office.inbox("m1")) == 1


def test_after_seven_days_it_is_another_mail_and_the_window_begins_anew(office: PostOffice, clock: Clock) -> None:
    for pause_s, expected in ((0, 1), (7 * DAY_S + 1, 2), (7 * DAY_S, 2), (2, 3)):
        clock.advance(pause_s)
        office.accept(MAIL % b"1", "ann@example.test")
        office.worker().run_due()
        assert len(office.inbox("m1")) == expected


def test_the_same_words_under_another_message_id_are_another_mail(office: PostOffice) -> None:
    office.accept(MAIL % b"1", "ann@example.test")
    office.accept(MAIL % b"2", "ann@example.test")
    without = (MAIL % b"3").replace(b"Message-ID", b"X-Id")
    office.accept(without, "ann@example.test")
    office.accept(without, "ann@example.test")
    office.worker().run_due()
    assert len(office.inbox("m1")) == 4


def test_who_is_gone_since_is_told_to_the_sender_by_a_notification(office: PostOffice) -> None:
    office.accept(MAIL % b"1", "ann@example.test", "gone@example.test", reverse_path="carl@example.test")
    office.worker().run_due()
    office.worker().run_due()
    assert len(office.inbox("m1")) == 1
    (told,) = office.inbox("m2")
    assert told["subject"] == "Undelivered mail returned to sender"
    raw = office.blobs.read(told["blob"])
    assert b"Content-Type: multipart/report; report-type=delivery-status" in raw
    assert b"Final-Recipient: rfc822; gone@example.test\r\nAction: failed\r\nStatus: 5.1.1\r\n" in raw
    assert b"Message-ID: <1@elsewhere.test>" in raw
    assert delivered(office, "m2")[0].server.trace.startswith("Return-Path: <>\r\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"reverse_path": ""},
        {"reverse_path": "carl@example.test", "recipients": (Recipient("gone@example.test", notify=("NEVER",)),)},
    ],
)
def test_nobody_is_told_of_a_notification_or_against_his_wish(office: PostOffice, changes: dict[str, Any]) -> None:
    office.accept(MAIL % b"1", "gone@example.test", **changes)
    office.worker().run_due()
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    assert office.inbox("m2") == []


def test_a_notification_for_another_host_goes_to_the_relay_once_and_its_object_is_held(
    office: PostOffice, clock: Clock
) -> None:
    office.accept(MAIL % b"1", "gone@example.test")
    office.worker().run_due()
    (leased,) = office.queue.lease("w", limit=1, lease_s=1)
    clock.advance(2)
    office.worker().run_due()
    relaying = PostgresRelaying(office.pool.connection, clock_ms=clock)
    relaying.take(leased.record, leased.recipients)
    scheduled = office.rows("SELECT mailbox_id, submission_id, domain, recipients FROM relay_schedule")
    acceptance_id = leased.record.acceptance_id
    assert scheduled == [("", acceptance_id, "elsewhere.test", [0])]
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    holders = office.rows("SELECT holder FROM blob_references WHERE name = %s", leased.record.blob)
    assert holders == [(f"relay:{acceptance_id}",)]


def test_recipients_elsewhere_that_come_later_join_those_before(office: PostOffice, clock: Clock) -> None:
    office.accept(MAIL % b"1", "a@elsewhere.test", "b@elsewhere.test", "c@elsewhere.test")
    (leased,) = office.queue.lease("w", limit=1, lease_s=1)
    relaying = PostgresRelaying(office.pool.connection, clock_ms=clock)
    for recipients in ([0], [0, 1], [1, 2]):
        relaying.take(leased.record, recipients)
    assert office.rows("SELECT recipients FROM relay_schedule") == [([0, 1, 2],)]


def test_a_mailbox_erased_after_the_acceptance_is_gone_too(office: PostOffice) -> None:
    office.accept(MAIL % b"1", "ann@example.test", reverse_path="carl@example.test")
    office.lane.run(EraseMailbox(mailbox_id=MailboxId("m1"), command_id="erase", why="asked"))
    office.worker().run_due()
    office.worker().run_due()
    (told,) = office.inbox("m2")
    assert b"Status: 5.1.1\r\n" in office.blobs.read(told["blob"])


def test_a_record_whose_object_is_lost_becomes_a_dead_letter_at_the_third_failure(
    office: PostOffice, clock: Clock
) -> None:
    office.accept(MAIL % b"1", "ann@example.test", "carl@example.test")
    (blob,) = office.blobs.names("emails/")
    office.blobs.delete(blob)
    office.accept(MAIL % b"2", "ann@example.test")
    for pause_s in (0, 61, 241):
        clock.advance(pause_s)
        office.worker().run_due()
    assert len(office.inbox("m1")) == 1
    dead = office.rows("SELECT address, error FROM dead_letters ORDER BY recipient")
    assert [address for address, _ in dead] == ["ann@example.test", "carl@example.test"]
    assert all(error.startswith("BlobMissingError") for _, error in dead)
    office.worker().run_due()
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]


class Unplugged:
    """A blob store whose server does not answer while `out` is set."""

    def __init__(self, blobs: Any) -> None:
        self._blobs = blobs
        self.out = True

    def __getattr__(self, name: str) -> Any:
        if self.out:
            raise OSError("no route to host")
        return getattr(self._blobs, name)


def test_an_outage_of_the_blob_store_is_waited_out_and_counts_for_nothing(office: PostOffice, clock: Clock) -> None:
    office.accept(MAIL % b"1", "ann@example.test")
    blobs = Unplugged(office.blobs)
    worker = office.worker(blobs=blobs)
    for _ in range(10):
        worker.run_due()
        clock.advance(6)
    assert office.rows("SELECT failures FROM queue_failures") == [(0,)]
    blobs.out = False
    worker.run_due()
    assert len(office.inbox("m1")) == 1


def test_what_an_outage_of_queue_and_blobs_left_leased_is_due_again_soon_after(
    office: PostOffice, clock: Clock
) -> None:
    office.accept(MAIL % b"1", "ann@example.test")
    blobs, queue = Unplugged(office.blobs), Unplugged(office.queue)
    queue.lease = office.queue.lease
    worker = office.worker(blobs=blobs, queue=queue)
    with pytest.raises(OSError, match="no route"):
        worker.run_due()
    blobs.out = queue.out = False
    worker.run_due()
    clock.advance(6)
    worker.run_due()
    assert len(office.inbox("m1")) == 1


def attachment_of(raw: bytes) -> str:
    (attachment,) = parse(raw).attachments
    return attachment_blob_name(attachment.sha256)


@pytest.mark.parametrize("place", ["attachments/", "emails/"])
def test_a_file_error_at_one_record_leaves_the_others_delivered_and_is_on_show(
    office: PostOffice, clock: Clock, place: str
) -> None:
    bad = with_attachment(1)
    envelope = office.accept(bad, "ann@example.test", "gone@example.test", reverse_path="carl@example.test")
    office.accept(MAIL % b"2", "ann@example.test")
    broken = {"attachments/": attachment_of(bad), "emails/": mail_blob_name(envelope.acceptance_id, clock())}[place]
    blobs = BrokenFor(office.blobs, lambda name: name == broken, "put")
    worker = office.worker(blobs=blobs)
    worker.run_due()
    assert office.rows("SELECT blob FROM messages WHERE mailbox_id = 'm1' AND size < 2000") != []
    left = office.rows("SELECT acceptance_id FROM queue_records WHERE leased_by IS NULL AND due_at > %s", clock())
    assert left == [(envelope.acceptance_id,)]
    shown = office.rows("SELECT DISTINCT failures, error FROM queue_failures")
    assert shown == [(0, "outage: [Errno 5] Input/output error")]
    blobs.broken = lambda name: False
    for _ in range(2):
        clock.advance(6)
        worker.run_due()
    assert len(office.inbox("m1")) == 2
    assert len(office.inbox("m2")) == 1
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    assert {read_mail(office.blobs, m["blob"]) for m in office.inbox("m1")} == {bad, MAIL % b"2"}


def test_forged_results_are_gone_before_a_mailbox_knows_of_the_message(office: PostOffice) -> None:
    raw = with_attachment(1)
    office.accept(b"Authentication-Results: mx.example.test; dkim=pass\r\n" + raw, "ann@example.test")
    seen: list[bytes] = []

    class Looks:
        def submit(self, command: Any) -> Any:
            seen.append(read_mail(office.blobs, command.server.blob))
            return office.lane.submit(command)

    office.worker(appender=Looks()).run_due()
    assert seen == [raw]


def test_what_begins_like_a_mail_with_holes_has_no_attachments_and_is_never_split(office: PostOffice) -> None:
    victim = with_attachment(1)
    office.accept(victim, "carl@example.test")
    office.worker().run_due()
    packed = office.blobs.read(office.inbox("m2")[0]["blob"])
    stolen = packed + b"\r\n" + with_attachment(2)
    office.accept(stolen, "ann@example.test")
    seen: list[bytes] = []

    class Looks:
        def submit(self, command: Any) -> Any:
            seen.append(read_mail(office.blobs, command.server.blob))
            return office.lane.submit(command)

    office.worker(appender=Looks()).run_due()
    assert seen == [stolen]


def test_a_mailbox_whose_key_is_missing_is_waited_for_and_nobody_else(office: PostOffice, clock: Clock) -> None:
    office.accept(MAIL % b"1", "ann@example.test", "carl@example.test", reverse_path="carl@example.test")
    keyless = Keyless(office.lane, "m1")
    worker = office.worker(appender=keyless, outages=replace(OUTAGES, lone=(KeyMissingError,)))
    for _ in range(5):
        worker.run_due()
        clock.advance(6)
    assert len(office.inbox("m2")) == 1
    ((failures, error),) = office.rows("SELECT failures, error FROM queue_failures")
    assert (failures, "key of mailbox m1" in error) == (0, True)
    keyless.missing = False
    worker.run_due()
    assert len(office.inbox("m1")) == 1
    assert office.rows("SELECT count(*) FROM dead_letters") == [(0,)]
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]


def test_of_large_messages_few_are_in_memory_at_once(office: PostOffice) -> None:
    entered: list[int] = []

    class Counted:
        def enter(self, entries: Any) -> Any:
            entered.append(len(entries))
            return office.book.enter(entries)

    for number in range(5):
        office.accept(MAIL % b"%d" % number + b"x" * (2000 if number == 1 else 200), "ann@example.test")
    assert office.worker(book=Counted(), bytes_at_once=1000).run_due() == 5
    assert sum(entered) == 5
    assert max(entered) < 3
    assert len(office.inbox("m1")) == 5


def test_a_record_at_which_workers_die_is_tried_alone_and_then_buried(office: PostOffice, clock: Clock) -> None:
    for number in range(3):
        office.accept(MAIL % b"%d" % number, "ann@example.test")
    poison = office.rows("SELECT acceptance_id FROM queue_records ORDER BY acceptance_id LIMIT 1")[0][0]
    office.rows(
        "UPDATE queue_records SET interruptions = 1, leased_by = 'dead' WHERE acceptance_id = %s RETURNING 1", poison
    )
    office.worker().run_due()
    assert len(office.inbox("m1")) == 2
    for deaths in range(6):
        assert office.rows("SELECT interruptions FROM queue_records") == [(2 + deaths,)]
        with pytest.raises(Crash):
            office.worker(book=CrashesAt(office.book, "enter", after=False)).run_due()
        clock.advance(121)
    assert office.rows("SELECT acceptance_id FROM dead_letters") == []
    office.worker().run_due()
    assert office.rows("SELECT acceptance_id FROM dead_letters") == [(poison,)]


def test_workers_that_are_killed_before_they_try_anything_bury_nothing(office: PostOffice, clock: Clock) -> None:
    for number in range(4):
        office.accept(MAIL % b"%d" % number, "ann@example.test")
    for _death in range(2):
        with pytest.raises(Crash):
            office.worker(book=CrashesAt(office.book, "enter", after=False)).run_due()
        clock.advance(121)
    for _death in range(12):
        with pytest.raises(Crash):
            office.worker(queue=CrashesAt(office.queue, "hand_back", after=False)).run_due()
        clock.advance(121)
    worker = office.worker()
    while office.rows("SELECT 1 FROM queue_records"):
        worker.run_due()
    assert len(office.inbox("m1")) == 4
    assert office.rows("SELECT acceptance_id FROM dead_letters") == []


def test_suspects_and_other_mail_take_turns(office: PostOffice) -> None:
    for number in range(4):
        office.accept(MAIL % b"%d" % number, "ann@example.test")
    office.rows("UPDATE queue_records SET interruptions = 2 RETURNING 1")
    worker = office.worker()
    delivered = []
    for number in range(4, 8):
        office.accept(MAIL % b"%d" % number, "ann@example.test")
        worker.run_due()
        delivered.append(len(office.inbox("m1")))
    assert delivered == [1, 2, 4, 5]


def test_an_operator_is_told_of_each_dead_letter_once_and_never_of_his_notice(office: PostOffice, clock: Clock) -> None:
    office.directory.entries["postmaster"] = office.directory.entries["carl@example.test"]
    envelope = office.accept(MAIL % b"1", "ann@example.test", "anna@example.test", helo="h\r\nBcc: x@example.test")
    office.blobs.delete(mail_blob_name(envelope.acceptance_id, clock()))
    worker = office.worker(attempts=1)
    with pytest.raises(Crash):
        office.worker(attempts=1, queue=CrashesAt(office.queue, "bury", after=False)).run_due()
    clock.advance(121)
    for _ in range(3):
        worker.run_due()
    notices = [read_mail(office.blobs, notice["blob"]) for notice in office.inbox("m2")]
    told = [line for notice in notices for line in notice.split(b"\r\n") if line.startswith(b"Recipient: ")]
    assert sorted(told) == [b"Recipient: <ann@example.test>", b"Recipient: <anna@example.test>"]
    for notice in notices:
        assert b"Subject: A message could not be delivered\r\n" in notice
        assert f"ledgermail queue show {envelope.acceptance_id}\r\n".encode() in notice
        assert b"BlobMissingError" in notice
        assert b"How are you?" not in notice
    (again,) = office.rows("SELECT count(*) FROM queue_records")
    assert again == (0,)


def test_a_notice_that_cannot_be_delivered_is_a_dead_letter_without_another_notice(
    office: PostOffice, clock: Clock
) -> None:
    office.directory.entries["postmaster"] = office.directory.entries["carl@example.test"]
    office.accept(MAIL % b"1", "ann@example.test")
    for _ in range(4):
        for blob in list(office.blobs.names("emails/")):
            office.blobs.delete(blob)
        office.worker(attempts=1).run_due()
    addresses = office.rows("SELECT address FROM dead_letters ORDER BY buried_at, address")
    assert addresses == [("ann@example.test",), ("postmaster",)]
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]


def test_a_warning_that_cannot_be_written_does_not_keep_a_record_from_its_place_among_the_dead(
    office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    envelope = office.accept(MAIL % b"1", "ann@example.test")
    office.blobs.delete(mail_blob_name(envelope.acceptance_id, office.now_ms()))
    office.worker(attempts=1, blobs=BrokenFor(office.blobs, lambda name: True, "put")).run_due()
    assert office.rows("SELECT address FROM dead_letters") == [("ann@example.test",)]
    assert "no operator could be told by mail" in caplog.text
