"""What left can be shown again: the very bytes, to whom, when and with which answer; for as long as it is kept."""

import pytest

from domain.decisions import DeleteMessages
from domain.ids import MailboxId, SubmissionId
from domain.times import DAY_MS
from gateways.authentication.dkim_keys import ACTIVE, new_keys
from infra.relay.sent_archive import Answered, NoSuchTripError, bytes_of, sent_by
from infra.relay.sent_trips import SentTrips, expire_sent_trips
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.timers import forget_messages
from tests.contracts.queue import Clock
from tests.relay_world import MAIL, RelayWorld
from tests.smtp_sink import Sink

CARL = MailboxId("m2")
EIGHT_BIT = MAIL.replace(b"How are you?", "Wie geht es dir, B\u00f6rge?".encode())


def trips(world: RelayWorld, submission_id: str, mailbox_id: MailboxId = CARL) -> list[tuple[str, tuple[int, ...]]]:
    with world.office.pool.connection() as connection:
        found = SentTrips(world.office.keys).of(connection, mailbox_id, SubmissionId(submission_id))
    return [(trip.copy.host, trip.places) for trip in found]


def written(world: RelayWorld, submission_id: str, number: int = 1, mailbox_id: MailboxId = CARL) -> bytes:
    office = world.office
    with office.pool.connection() as connection:
        given = bytes_of(
            connection,
            trips=SentTrips(office.keys),
            blobs=office.blobs,
            mailbox_id=mailbox_id,
            submission_id=SubmissionId(submission_id),
        )
    return given(number)


def told(world: RelayWorld) -> list[list[Answered]]:
    reader = StreamReader(MailboxRecorder(datastore(world.office.url)), world.office.keys)
    return [mail.recipients for mail in sent_by(reader, CARL)]


def test_the_very_bytes_of_each_transaction_are_given_back(world: RelayWorld, sink: Sink, backup: Sink) -> None:
    world.keys.add(new_keys("example.test", label="k1", state=ACTIVE))
    backup.extensions = ("PIPELINING",)
    sent = world.submit("zoe@far.test", "xia@other.test", raw=b"Bcc: secret@example.test\r\n" + EIGHT_BIT)
    world.run()
    by_host = {host: number for number, (host, _places) in enumerate(trips(world, sent), start=1)}
    assert sorted(trips(world, sent)) == [("mx.far.test", (0,)), ("mx2.far.test", (1,))]
    assert written(world, sent, by_host["mx.far.test"]) == sink.taken[0].content
    assert written(world, sent, by_host["mx2.far.test"]) == backup.taken[0].content
    assert sink.taken[0].content != backup.taken[0].content
    with pytest.raises(NoSuchTripError):
        written(world, sent, 3)


def test_to_whom_and_with_which_answer_is_told(world: RelayWorld, sink: Sink) -> None:
    world.submit("zoe@far.test", "reject-me@far.test")
    world.run()
    ((zoe, rejected),) = told(world)
    assert (zoe.address, zoe.status, zoe.reply) == ("zoe@far.test", "relayed", "250 2.0.0 taken")
    assert (rejected.address, rejected.status) == ("reject-me@far.test", "bounced")
    assert zoe.at > 0


def test_it_is_kept_before_the_host_can_have_it(world: RelayWorld, sink: Sink) -> None:
    sink.drops_at = "."
    sent = world.submit("zoe@far.test")
    world.run()
    assert trips(world, sent) == [("mx.far.test", (0,))]


def test_nothing_of_it_is_readable_in_another_mailbox_or_after_the_key_has_gone(world: RelayWorld) -> None:
    sent = world.submit("zoe@far.test")
    world.run()
    assert trips(world, sent, MailboxId("m1")) == []
    with pytest.raises(NoSuchTripError):
        written(world, sent, mailbox_id=MailboxId("m1"))
    ((sealed,),) = world.office.rows("SELECT sealed FROM sent_trips")
    assert b"far.test" not in bytes(sealed)
    world.office.keys.destroy(CARL)
    assert trips(world, sent) == []


def test_what_its_owner_deleted_is_kept_for_the_archives_time_and_no_longer(world: RelayWorld, clock: Clock) -> None:
    sent = world.submit("zoe@far.test")
    world.run()
    office, connect = world.office, world.office.pool.connection
    ((message_id,),) = office.rows("SELECT message_id FROM messages WHERE mailbox_id = 'm2'")
    for command_id in ("to trash", "for good"):
        office.lane.run(DeleteMessages(mailbox_id=CARL, command_id=command_id, ids=(message_id,)))
    deleted_at = clock()
    assert forget_messages(deleted_at + 40 * DAY_MS, connect=connect, archive_days=90) == 1
    assert forget_messages(deleted_at + 89 * DAY_MS, connect=connect, archive_days=90) == 0
    assert expire_sent_trips(deleted_at + 89 * DAY_MS, connect=connect, days=90) == 0
    assert written(world, sent) == MAIL
    assert told(world)[0][0].address == "zoe@far.test"
    later = deleted_at + 91 * DAY_MS
    assert forget_messages(later, connect=connect, archive_days=90) == 1
    assert expire_sent_trips(later, connect=connect, days=90) == 1
    assert office.rows("SELECT FROM message_salts WHERE mailbox_id = 'm2'") == []
    assert trips(world, sent) == []
    assert told(world)[0][0].address == "(no longer readable)"


def test_a_message_that_was_never_sent_is_forgotten_as_ever(world: RelayWorld, clock: Clock) -> None:
    office = world.office
    office.accept(MAIL, "ann@example.test")
    office.worker().run_due()
    ((message_id,),) = office.rows("SELECT message_id FROM messages WHERE mailbox_id = 'm1'")
    for command_id in ("to trash", "for good"):
        office.lane.run(DeleteMessages(mailbox_id=MailboxId("m1"), command_id=command_id, ids=(message_id,)))
    due = clock() + 40 * DAY_MS
    assert forget_messages(due, connect=office.pool.connection, archive_days=365) == 1
    assert office.rows("SELECT FROM message_salts WHERE mailbox_id = 'm1'") == []
