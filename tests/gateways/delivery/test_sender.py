"""From the outbox into the queue."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from psycopg.types.json import Jsonb

from domain.decisions import AllowSending, EraseMailbox, RestrictSending, SubmitNew, UndoSubmission
from domain.decisions.delivery import Composed
from domain.events import MessageServer, SubmissionRecipient
from domain.ids import MailboxId, SubmissionId
from domain.refusals import AlreadySentError
from gateways.delivery.incoming import personal_of
from gateways.delivery.sender import ATTEMPTS
from gateways.mime.parse import parse
from gateways.outgoing import DueMail
from infra import blob_references
from infra.blob_collector import collect
from infra.keys import KeyMissingError
from infra.postgres_outbox import PostgresOutbox
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.contracts.queue import Clock
from tests.delivery_outages import BrokenFor, Keyless
from tests.post_office import MAIL, PostOffice

RAW = b"Bcc: secret@example.test\r\n" + MAIL % b"sent"
BLOB = "emails/2026/11/22/draft.eml"
HOUR_S = 3600


def submit(office: PostOffice, *recipients: str, undo_s: int = 10, mailbox_id: str = "m2", blob: str = BLOB) -> str:
    """Carl, or the owner of another mailbox, sends RAW to them; the submission's id."""
    office.blobs.put(blob, RAW)
    with office.pool.connection() as connection:
        blob_references.touch(connection, {blob: len(RAW)})
    message = Composed(
        personal=personal_of(parse(RAW)), server=MessageServer(blob=blob), size=len(RAW), received_at=office.now_ms()
    )
    command = SubmitNew(
        mailbox_id=MailboxId(mailbox_id),
        command_id="submit",
        mail_from="carl@example.test",
        recipients=tuple(SubmissionRecipient(address) for address in recipients),
        send_at_ms=office.now_ms(),
        undo_until_ms=office.now_ms() + undo_s * 1000,
        stream="personal",
        message=message,
    )
    return str(office.lane.run(command).answer["submission_id"])


def statuses(office: PostOffice) -> list[dict[str, Any]]:
    ((recipients,),) = office.rows("SELECT recipients::text FROM submissions")
    return list(msgspec.json.decode(recipients))


def test_what_is_sent_is_in_the_inbox_without_bcc_once_the_undo_window_is_over(
    office: PostOffice, clock: Clock
) -> None:
    submit(office, "ann@example.test", "anna@example.test")
    sender = office.sender()
    assert sender.run_due() == 0
    clock.advance(10)
    assert sender.run_due() == 1
    office.worker().run_due()
    (message,) = office.inbox("m1")
    assert office.blobs.read(message["blob"]) == MAIL % b"sent"
    assert [r["status"] for r in statuses(office)] == ["delivered", "delivered"]
    assert office.rows("SELECT count(*) FROM sending") == [(0,)]
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == [(0,)]


def test_what_was_queued_before_its_sender_was_blocked_waits_until_that_is_lifted(
    office: PostOffice, clock: Clock
) -> None:
    submit(office, "ann@example.test")
    block = RestrictSending(mailbox_id=MailboxId("m2"), command_id="block", why="a pattern", blocked=True)
    office.lane.run(block)
    clock.advance(HOUR_S)
    assert office.sender().run_due() == 0
    assert [r["status"] for r in statuses(office)] == ["queued"]
    office.lane.run(AllowSending(mailbox_id=MailboxId("m2"), command_id="lift"))
    assert office.sender().run_due() == 1


def test_an_undo_in_time_sends_nothing_and_a_late_one_is_refused(office: PostOffice, clock: Clock) -> None:
    submission = SubmissionId(submit(office, "ann@example.test"))
    undo = UndoSubmission(mailbox_id=MailboxId("m2"), command_id="undo", submission_id=submission)
    office.lane.run(undo)
    clock.advance(10)
    assert office.sender().run_due() == 0


def test_after_the_claim_there_is_no_undo(office: PostOffice, clock: Clock) -> None:
    submission = SubmissionId(submit(office, "ann@example.test"))
    clock.advance(10)
    office.sender().run_due()
    undo = UndoSubmission(mailbox_id=MailboxId("m2"), command_id="undo", submission_id=submission)
    with pytest.raises(AlreadySentError):
        office.lane.run(undo)


def test_an_unknown_recipient_here_bounces_and_the_sender_gets_a_notification(office: PostOffice, clock: Clock) -> None:
    submit(office, "ann@example.test", "nobody@example.test")
    clock.advance(10)
    office.sender().run_due()
    office.worker().run_due()
    office.worker().run_due()
    told = statuses(office)
    assert [r["status"] for r in told] == ["delivered", "bounced"]
    assert told[1]["last_reply"].startswith("550 5.1.1 ")
    (notice,) = office.inbox("m2")
    assert b"Final-Recipient: rfc822; nobody@example.test" in office.blobs.read(notice["blob"])


def test_recipients_elsewhere_are_handed_to_the_relay_by_destination(office: PostOffice, clock: Clock) -> None:
    submit(office, "zoe@elsewhere.test", "ann@example.test", "yan@elsewhere.test", "bob@b\u00fccher.test")
    clock.advance(10)
    sender = office.sender()
    sender.run_due()
    office.worker().run_due()
    clock.advance(4 * HOUR_S)
    assert sender.run_due() == 0
    rows = office.rows("SELECT domain, recipients, attempt FROM relay_schedule ORDER BY domain")
    assert rows == [("elsewhere.test", [0, 2], 1), ("xn--bcher-kva.test", [3], 1)]
    assert [told["status"] for told in statuses(office)] == ["queued", "delivered", "queued", "queued"]
    assert office.rows("SELECT count(*) FROM sending") == [(0,)]
    assert len(office.inbox("m1")) == 1
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder LIKE 'outbox:%%'") == [(1,)]


def test_what_many_mailboxes_send_is_all_sent_and_each_once(office: PostOffice, clock: Clock) -> None:
    for number in range(8):
        office.open_mailbox(f"s{number}", f"s{number}@example.test")
        submit(office, "zoe@elsewhere.test", "ann@example.test", mailbox_id=f"s{number}", blob=f"{BLOB}{number}")
    clock.advance(10)
    assert office.sender().run_due() == 8
    office.worker().run_due()
    rows = office.rows("SELECT mailbox_id, domain, recipients FROM relay_schedule ORDER BY mailbox_id")
    assert rows == [(f"s{number}", "elsewhere.test", [0]) for number in range(8)]
    told = "SELECT DISTINCT recipients->0->>'status', recipients->1->>'status' FROM submissions"
    assert office.rows(told) == [("queued", "delivered")]
    assert office.rows("SELECT count(*) FROM sending") == [(0,)]


def test_who_sends_first_comes_first_whatever_others_go_on_sending(office: PostOffice, clock: Clock) -> None:
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    outbox = PostgresOutbox(office.pool.connection, reader, clock_ms=clock)
    for mailbox_id in ("s9", "s1"):
        office.open_mailbox(mailbox_id, f"{mailbox_id}@example.test")
        submit(office, "zoe@elsewhere.test", mailbox_id=mailbox_id, blob=f"{BLOB}{mailbox_id}")
        clock.advance(10)
        assert outbox.lease(limit=0, lease_s=60) == []
    assert [one.mailbox_id for one in outbox.lease(limit=1, lease_s=60)] == ["s9"]


def test_one_mailbox_that_must_wait_has_no_other_wait(office: PostOffice, clock: Clock) -> None:
    for number in range(4):
        office.open_mailbox(f"s{number}", f"s{number}@example.test")
        submit(office, "ann@example.test", mailbox_id=f"s{number}", blob=f"{BLOB}{number}")
    office.blobs.delete(f"{BLOB}2")
    clock.advance(10)
    assert office.sender().run_due() == 4
    assert office.rows("SELECT mailbox_id, failures FROM sending") == [("s2", 1)]


def test_a_sender_that_comes_late_hands_nothing_to_the_relay_twice(office: PostOffice, clock: Clock) -> None:
    submit(office, "zoe@elsewhere.test")
    clock.advance(10)
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    outbox = PostgresOutbox(office.pool.connection, reader, clock_ms=clock)
    (late,) = outbox.lease(limit=1, lease_s=1)
    clock.advance(2)
    office.sender().run_due()
    with office.pool.connection() as relayed:
        relayed.execute("DELETE FROM relay_schedule")
    outbox.relay(
        late,
        [
            DueMail(
                domain="elsewhere.test",
                mailbox_id=late.mailbox_id,
                submission_id=late.submission_id,
                recipients=(0,),
                attempt=1,
            )
        ],
    )
    assert office.rows("SELECT count(*) FROM relay_schedule") == [(0,)]


def test_a_claim_waits_for_whoever_holds_the_mailbox(office: PostOffice, clock: Clock) -> None:
    """An undo that has read the outbox row under the lock must find it still there when it deletes it."""
    submit(office, "ann@example.test")
    clock.advance(10)
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with ThreadPoolExecutor(1) as pool:
        with office.pool.connection() as undoing, undoing.transaction():
            undoing.execute("SELECT FROM mailboxes WHERE mailbox_id = 'm2' FOR NO KEY UPDATE")
            sending = pool.submit(office.sender().run_due)
            while not sending.done() and office.rows(waiting) == [(0,)]:
                continue
            assert not sending.done()
            assert undoing.execute("DELETE FROM outbox").rowcount == 1
        assert sending.result() == 0


def test_a_submission_that_cannot_be_read_is_put_off_and_the_others_are_sent(office: PostOffice, clock: Clock) -> None:
    submit(office, "ann@example.test")
    office.rows("INSERT INTO outbox SELECT 'm1', 's0', 0 RETURNING 1")
    copied = "INSERT INTO submissions SELECT (jsonb_populate_record(s, %s)).* FROM submissions s RETURNING 1"
    office.rows(copied, Jsonb({"mailbox_id": "m1", "submission_id": "s0", "created_seq": 1, "recipients": [7]}))
    office.rows(
        'INSERT INTO messages SELECT (jsonb_populate_record(m, \'{"mailbox_id": "m1"}\')).* FROM messages m RETURNING 1'
    )
    clock.advance(10)
    office.sender().run_due()
    office.worker().run_due()
    assert len(office.inbox("m1")) == 1
    ((parked, error),) = office.rows("SELECT submission_id, error FROM sending")
    assert parked == "s0"
    assert error.startswith("ValidationError")


class Crash(BaseException):
    """The process died here."""


class CrashesAt:
    """Something of which one call, before or after it has its effect, is where the process dies."""

    def __init__(self, real: Any, method: str, *, after: bool) -> None:
        self._real, self._method, self._after = real, method, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._method:
            return real

        def crash(*arguments: Any, **named: Any) -> None:
            if self._after:
                result = real(*arguments, **named)
                if hasattr(result, "exception"):
                    result.exception()
            raise Crash

        return crash


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("part", "method"),
    [("outbox", "lease"), ("blobs", "put"), ("queue", "put"), ("outbox", "relay")],
)
def test_a_crash_at_any_step_of_sending_neither_loses_nor_doubles(
    office: PostOffice, clock: Clock, part: str, method: str, after: bool
) -> None:
    submit(office, "ann@example.test", "zoe@elsewhere.test")
    clock.advance(10)
    whole = office.sender()
    real = {"outbox": whole._outbox, "blobs": office.blobs, "queue": office.queue, "appender": office.lane}[part]
    with pytest.raises(Crash):
        office.sender(**{part: CrashesAt(real, method, after=after)}).run_due()
    office.worker().run_due()
    for _ in range(2):
        clock.advance(121)
        whole.run_due()
        office.worker().run_due()
    assert len(office.inbox("m1")) == 1
    assert [r["status"] for r in statuses(office)] == ["delivered", "queued"]
    assert office.rows("SELECT count(*) FROM sending") == [(0,)]
    assert office.rows("SELECT domain, recipients FROM relay_schedule") == [("elsewhere.test", [1])]


def test_a_message_that_cannot_be_read_bounces_at_the_third_failure(office: PostOffice, clock: Clock) -> None:
    submit(office, "ann@example.test")
    office.blobs.delete(BLOB)
    for pause_s in (10, 61, 121):
        clock.advance(pause_s)
        office.sender().run_due()
    assert statuses(office)[0]["status"] == "bounced"
    assert statuses(office)[0]["last_reply"] == "554 5.3.0 the message cannot be read"
    assert office.rows("SELECT count(*) FROM sending") == [(0,)]


def test_an_object_that_cannot_be_read_now_waits_with_its_error_and_those_behind_it_are_sent(
    office: PostOffice, clock: Clock
) -> None:
    submit(office, "ann@example.test")
    clock.advance(1)
    submit(office, "carl@example.test", mailbox_id="m1", blob="emails/2026/11/22/other.eml")
    clock.advance(10)
    blobs = BrokenFor(office.blobs, lambda name: name == BLOB, "read")
    sender = office.sender(blobs=blobs)
    for _ in range(ATTEMPTS + 2):
        sender.run_due()
        office.worker().run_due()
        clock.advance(61)
    assert (len(office.inbox("m1")), len(office.inbox("m2"))) == (0, 1)
    waiting = office.rows("SELECT mailbox_id, attempts, failures, error FROM sending")
    assert waiting == [("m2", 0, 0, "outage: [Errno 5] Input/output error")]
    blobs.broken = lambda name: False
    sender.run_due()
    office.worker().run_due()
    assert len(office.inbox("m1")) == 1
    assert office.rows("SELECT count(*) FROM sending") == [(0,)]


def test_a_submission_whose_mailbox_key_cannot_be_read_now_holds_up_no_other(office: PostOffice, clock: Clock) -> None:
    submit(office, "ann@example.test")
    submit(office, "carl@example.test", mailbox_id="m1", blob="emails/2026/11/22/other.eml")
    clock.advance(10)

    class Unreadable:
        broken = True

        def batch(self, mailbox_id: str, *place: Any, **named: Any) -> Any:
            if self.broken and mailbox_id == "m2":
                raise OSError(5, "Input/output error")
            return StreamReader(MailboxRecorder(datastore(office.url)), office.keys).batch(mailbox_id, *place, **named)

    reader = Unreadable()
    sender = office.sender(outbox=PostgresOutbox(office.pool.connection, reader, clock_ms=clock))
    sender.run_due()
    assert office.rows("SELECT mailbox_id, error FROM sending") == [("m2", "OSError: [Errno 5] Input/output error")]
    reader.broken = False
    clock.advance(6)
    sender.run_due()
    office.worker().run_due()
    assert len(office.inbox("m1")) == 1


def test_a_report_to_a_mailbox_whose_key_is_missing_is_waited_for(office: PostOffice, clock: Clock) -> None:
    submit(office, "ann@example.test")
    office.blobs.delete(BLOB)
    clock.advance(10)
    keyless = Keyless(office.lane, "m2")
    sender = office.sender(appender=keyless, lone_outages=(KeyMissingError,))
    for _ in range(ATTEMPTS + 2):
        sender.run_due()
        clock.advance(121)
    ((failures, error),) = office.rows("SELECT failures, error FROM sending")
    assert (failures, "key of mailbox m2" in error) == (ATTEMPTS - 1, True)
    keyless.missing = False
    sender.run_due()
    assert [r["status"] for r in statuses(office)] == ["bounced"]


class CollectedBefore:
    """A queue before each of whose puts the collector of unreferenced objects runs."""

    def __init__(self, office: PostOffice) -> None:
        self._office = office

    def __getattr__(self, name: str) -> Any:
        return getattr(self._office.queue, name)

    def put(self, record: Any) -> None:
        collect(self._office.pool.connection, self._office.blobs, grace_s=3600)
        self._office.queue.put(record)


def test_what_was_put_once_and_forgotten_is_not_collected_while_it_is_sent_again(
    office: PostOffice, clock: Clock
) -> None:
    submit(office, "ann@example.test", "nobody@example.test")
    clock.advance(10)
    with pytest.raises(Crash):
        office.sender(queue=CrashesAt(office.queue, "put", after=False)).run_due()
    (orphan,) = set(office.blobs.names("")) - {BLOB}
    forgotten = "INSERT INTO blobs (name, size, touched_at) VALUES (%s, 1, now() - interval '2 days')"
    forgotten += " ON CONFLICT (name) DO UPDATE SET touched_at = excluded.touched_at RETURNING 1"
    office.rows(forgotten, orphan)
    clock.advance(61)
    office.sender(queue=CollectedBefore(office)).run_due()
    assert orphan in set(office.blobs.names(""))
    with pytest.raises(Crash):
        office.worker(queue=CrashesAt(office.queue, "put", after=False)).run_due()
    ((notice,),) = [(name,) for name in office.blobs.names("") if name not in (orphan, BLOB)]
    office.rows(forgotten, notice)
    clock.advance(121)
    office.worker(queue=CollectedBefore(office)).run_due()
    office.worker().run_due()
    assert len(office.inbox("m1")) == len(office.inbox("m2")) == 1


def test_a_message_whose_object_was_altered_is_sent_to_nobody(office: PostOffice, clock: Clock) -> None:
    submit(office, "ann@example.test")
    office.blobs.put(BLOB, RAW + b"and more")
    for _ in range(ATTEMPTS):
        clock.advance(600)
        office.sender().run_due()
    office.worker().run_due()
    assert office.inbox("m1") == []
    assert statuses(office)[0]["last_reply"] == "554 5.3.0 the message cannot be read"


def test_nothing_is_sent_for_a_mailbox_that_was_erased(office: PostOffice, clock: Clock) -> None:
    submit(office, "ann@example.test")
    office.lane.run(EraseMailbox(mailbox_id=MailboxId("m2"), command_id="erase", why="asked for"))
    clock.advance(10)
    office.sender().run_due()
    office.worker().run_due()
    assert office.inbox("m1") == []
    assert office.rows("SELECT count(*) FROM sending") == [(0,)]
