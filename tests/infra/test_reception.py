"""The door's other side."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from domain.addresses import BARE_POSTMASTER, EmailAddress
from domain.ids import MailboxId
from gateways.directory import DirectoryEntry
from gateways.envelope import Envelope, Recipient
from gateways.reception import StorageFullError, TemporarilyUnavailableError, Verdict
from gateways.srs import Srs
from infra.reception import QueueReception
from tests.post_office import DOMAIN, MAIL, PostOffice, envelope_of, post_office


@pytest.fixture
def office(database_url: str, data_folder: Path) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder) as made:
        made.open_mailbox("m1", "ann@example.test", quota_bytes=1000)
        yield made


def judged(office: PostOffice, address: str, size_bytes: int | None = None) -> Verdict:
    return office.reception.judge(EmailAddress.parse(address), size_bytes=size_bytes)


def whole(office: PostOffice, number: int) -> tuple[Envelope, bytes]:
    content = MAIL % b"%d" % number
    return envelope_of(content, "ann@example.test", received_at=office.now_ms()), content


def test_who_is_here_is_accepted_under_every_spelling(office: PostOffice) -> None:
    for address in ("ann@example.test", "ANN@EXAMPLE.TEST", "Ann+lists@example.test"):
        assert judged(office, address) is Verdict.ACCEPT


def test_who_is_not_here_is_unknown_and_other_domains_are_not_served(office: PostOffice) -> None:
    assert judged(office, "zoe@example.test") is Verdict.UNKNOWN_MAILBOX
    assert judged(office, "ann@elsewhere.test") is Verdict.NOT_SERVED


def test_a_mailbox_is_full_when_the_announced_size_does_not_fit(office: PostOffice) -> None:
    assert judged(office, "ann@example.test", 1000) is Verdict.ACCEPT
    assert judged(office, "ann@example.test", 1001) is Verdict.FULL
    office.accept(MAIL % b"1" + b"x" * 1000, "ann@example.test")
    office.worker().run_due()
    assert judged(office, "ann@example.test") is Verdict.FULL


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("open", Verdict.ACCEPT),
        ("suspended", Verdict.SUSPENDED),
        ("closed", Verdict.UNKNOWN_MAILBOX),
    ],
)
def test_the_state_of_the_entry_decides(office: PostOffice, state: str, verdict: Verdict) -> None:
    office.directory.entries["ann@example.test"] = DirectoryEntry(MailboxId("m1"), state)
    assert judged(office, "ann@example.test") is verdict


def test_postmaster_and_abuse_are_always_accepted(office: PostOffice) -> None:
    for address in ("postmaster@example.test", "Abuse@example.test"):
        assert judged(office, address, 10**12) is Verdict.ACCEPT
    assert office.reception.judge(BARE_POSTMASTER, size_bytes=None) is Verdict.ACCEPT
    assert judged(office, "postmaster@elsewhere.test") is Verdict.NOT_SERVED


def test_what_is_known_of_an_address_lasts_two_seconds(office: PostOffice) -> None:
    time_s = [100.0]
    reception = QueueReception(
        directory=office.directory,
        domains=frozenset({DOMAIN}),
        blobs=office.blobs,
        queue=office.queue,
        connect=office.pool.connection,
        clock_s=lambda: time_s[0],
    )
    zoe = EmailAddress.parse("zoe@example.test")
    assert reception.judge(zoe, size_bytes=None) is Verdict.UNKNOWN_MAILBOX
    office.directory.entries["zoe@example.test"] = DirectoryEntry(MailboxId("m1"))
    assert reception.judge(zoe, size_bytes=None) is Verdict.UNKNOWN_MAILBOX
    time_s[0] += 2
    assert reception.judge(zoe, size_bytes=None) is Verdict.ACCEPT


def test_after_an_acceptance_object_and_record_are_there_once_however_often_it_is_repeated(office: PostOffice) -> None:
    raw = MAIL % b"1"
    envelope = envelope_of(raw, "ann@example.test", received_at=office.now_ms())
    spool = office.reception.spool()
    spool.write(raw)
    for _ in range(2):
        office.reception.accept(envelope, spool)
    ((blob, holder),) = office.rows("SELECT name, holder FROM blob_references")
    assert office.blobs.read(blob) == raw
    assert holder == f"queue:{envelope.acceptance_id}"
    assert office.rows("SELECT acceptance_id FROM queue_records") == [(envelope.acceptance_id,)]


def test_mails_accepted_together_are_there_as_if_each_came_alone(office: PostOffice) -> None:
    mails = [whole(office, number) for number in range(5)]
    for _ in range(2):
        assert office.reception.accept_all(mails) == [None] * 5
    held = dict(office.rows("SELECT holder, name FROM blob_references"))
    assert {holder: office.blobs.read(name) for holder, name in held.items()} == {
        f"queue:{envelope.acceptance_id}": content for envelope, content in mails
    }
    assert len(office.rows("SELECT acceptance_id FROM queue_records")) == 5


def test_of_mails_accepted_together_only_the_one_for_which_there_is_no_room_is_refused(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [whole(office, number) for number in range(3)]
    real = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if bytes(data) == mails[1][1]:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    first, second, third = office.reception.accept_all(mails)
    assert (first, third) == (None, None)
    assert isinstance(second, StorageFullError)
    accepted = {mails[0][0].acceptance_id, mails[2][0].acceptance_id}
    assert {row[0] for row in office.rows("SELECT acceptance_id FROM queue_records")} == accepted


def test_of_mails_accepted_together_one_whose_record_cannot_be_written_fails_alone(office: PostOffice) -> None:
    mails = [whole(office, number) for number in range(3)]
    mails[1] = (msgspec.structs.replace(mails[1][0], helo="\ud800"), mails[1][1])
    first, second, third = office.reception.accept_all(mails)
    assert (first, third) == (None, None)
    assert isinstance(second, UnicodeEncodeError)
    accepted = {mails[0][0].acceptance_id, mails[2][0].acceptance_id}
    assert {row[0] for row in office.rows("SELECT acceptance_id FROM queue_records")} == accepted


def test_what_was_judged_lately_is_recalled_without_asking(office: PostOffice) -> None:
    time_s = [100.0]
    reception = QueueReception(
        directory=office.directory,
        domains=frozenset({DOMAIN}),
        blobs=office.blobs,
        queue=office.queue,
        connect=office.pool.connection,
        clock_s=lambda: time_s[0],
    )
    ann, zoe = EmailAddress.parse("ann@example.test"), EmailAddress.parse("zoe@example.test")
    assert reception.recall(ann, size_bytes=None) is None
    assert [reception.judge(one, size_bytes=None) for one in (ann, zoe)] == [Verdict.ACCEPT, Verdict.UNKNOWN_MAILBOX]
    assert [reception.recall(one, size_bytes=1) for one in (ann, zoe)] == [Verdict.ACCEPT, Verdict.UNKNOWN_MAILBOX]
    assert reception.recall(ann, size_bytes=1001) is Verdict.FULL
    assert reception.recall(EmailAddress.parse("ann@elsewhere.test"), size_bytes=1) is Verdict.NOT_SERVED
    time_s[0] += 2.0
    assert reception.recall(ann, size_bytes=None) is None


def test_without_its_servers_the_door_asks_to_try_again(office: PostOffice) -> None:
    def nowhere() -> Any:
        return psycopg.connect("host=/nowhere dbname=x", connect_timeout=1)

    office.queue._connect = nowhere
    envelope = envelope_of(b"x", "ann@example.test", received_at=office.now_ms())
    with pytest.raises(TemporarilyUnavailableError):
        office.reception.accept(envelope, office.reception.spool())
    outcomes = office.reception.accept_all([whole(office, number) for number in range(2)])
    assert [type(outcome) for outcome in outcomes] == [TemporarilyUnavailableError] * 2
    reception = QueueReception(
        directory=office.directory,
        domains=frozenset({DOMAIN}),
        blobs=office.blobs,
        queue=office.queue,
        connect=nowhere,
    )
    with pytest.raises(TemporarilyUnavailableError):
        reception.judge(EmailAddress.parse("ann@example.test"), size_bytes=None)


def test_a_bounce_of_what_was_forwarded_goes_on_to_whoever_sent_it_and_a_forged_one_is_refused(
    office: PostOffice,
) -> None:
    srs = Srs(b"secret", DOMAIN, clock_s=lambda: office.now_ms() / 1000)
    reception = QueueReception(
        directory=office.directory,
        domains=frozenset({DOMAIN}),
        blobs=office.blobs,
        queue=office.queue,
        connect=office.pool.connection,
        srs=srs,
    )
    path = srs.forward("bob@elsewhere.test")
    assert reception.judge(EmailAddress.parse(path), size_bytes=None) is Verdict.ONLY_AUTOMATIC
    assert reception.recall(EmailAddress.parse(path.lower()), size_bytes=None) is Verdict.ONLY_AUTOMATIC
    forged = EmailAddress.parse(path.replace("bob", "eve"))
    assert reception.judge(forged, size_bytes=None) is Verdict.UNKNOWN_MAILBOX
    assert judged(office, path) is Verdict.UNKNOWN_MAILBOX
    envelope, content = whole(office, 1)
    bounce = msgspec.structs.replace(
        envelope, reverse_path="", recipients=(Recipient(path), Recipient("ann@example.test"))
    )
    assert reception.accept_all([(bounce, content)]) == [None]
    (leased,) = office.queue.lease("w1", limit=1, lease_s=60)
    assert [one.forward_path for one in leased.record.envelope.recipients] == ["bob@elsewhere.test", "ann@example.test"]
