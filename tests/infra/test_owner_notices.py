"""A mailbox that fills up says so in INBOX: once a level, whatever dies in between."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.decisions import DeleteMessages, SetQuota
from domain.ids import MailboxId, MessageId
from gateways.delivery.quota_notice import QuotaNotices
from gateways.mail_objects import read_mail
from gateways.mime.parse import parse
from gateways.queue import QueueUnavailableError
from infra.keys import KeyMissingError
from infra.owner_notices import tell_owners
from infra.passed_over import PassedOverError
from infra.postgres_queue import PostgresQueue
from tests.contracts.queue import Clock
from tests.delivery_outages import BrokenFor, Keyless
from tests.gateways.delivery.test_sender import Crash, CrashesAt
from tests.post_office import MAIL, OUTAGES, PostOffice, post_office

ANN, BOB = MailboxId("m1"), MailboxId("m2")
QUOTA_BYTES = 100_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(database_url: str, data_folder: Path, clock: Clock) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder, clock_ms=clock) as made:
        for mailbox_id, address in ((ANN, "ann@example.test"), (BOB, "bob@example.test")):
            made.open_mailbox(mailbox_id, address, quota_bytes=QUOTA_BYTES)
            made.rows(
                "INSERT INTO accounts (account_id, mailbox_id, address, canonical, state, created_at)"
                " VALUES (%s, %s, %s, %s, 'open', 0) RETURNING 1",
                *(f"account of {mailbox_id}", mailbox_id, address, address),
            )
        yield made


def fill(office: PostOffice, more_bytes: int, *, address: str = "ann@example.test") -> None:
    """One message of about that size arrives."""
    number = len(office.rows("SELECT 1 FROM messages"))
    office.accept(MAIL % b"%d" % number + b"x" * 70 * (more_bytes // 70), address)
    office.worker().run_due()


def tell(office: PostOffice, *, at_once: int = 100, **changes: Any) -> int:
    parts: dict[str, Any] = {"queue": office.queue, "blobs": office.blobs, "hostname": "mx.example.test"}
    notices = QuotaNotices(**parts | changes)
    return tell_owners(office.now_ms(), connect=office.pool.connection, notices=notices, at_once=at_once)


def told(office: PostOffice, mailbox_id: str = "m1") -> list[str]:
    """The subjects of the notices in INBOX, once everything queued is delivered."""
    office.worker().run_due()
    return [m["subject"] for m in office.inbox(mailbox_id) if m["subject"].startswith("Your mailbox")]


def waiting(office: PostOffice) -> list[tuple[str, int]]:
    return office.rows("SELECT mailbox_id, detail FROM notices ORDER BY mailbox_id, detail")


def test_each_level_gives_one_notice_and_no_notice_gives_another(office: PostOffice) -> None:
    subjects = []
    for more_bytes in (78_500, 2_000, 500, 8_000, 500, 4_000, 500, 10_000):
        fill(office, more_bytes)
        tell(office)
        subjects.append(told(office))
    eighty, ninety, ninety_five = (f"Your mailbox is {level} % full" for level in (80, 90, 95))
    assert subjects == [[], *[[eighty]] * 2, *[[eighty, ninety]] * 2, *[[eighty, ninety, ninety_five]] * 3]
    ((used_bytes,),) = office.rows("SELECT used_bytes FROM mailboxes WHERE mailbox_id = 'm1'")
    assert used_bytes > QUOTA_BYTES
    assert (waiting(office), tell(office)) == ([], 0)
    assert office.rows("SELECT 1 FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == []


def test_the_notice_says_what_is_used_of_what_and_what_to_do(office: PostOffice) -> None:
    fill(office, 81_000)
    assert tell(office) == 1
    assert told(office) == ["Your mailbox is 80 % full"]
    raw = read_mail(office.blobs, office.inbox("m1")[-1]["blob"])
    assert raw.isascii()
    assert all(len(line) < 79 for line in raw.split(b"\r\n"))
    (to,), (from_,) = parse(raw).summary.to, parse(raw).summary.from_
    assert (to.address, from_.name) == ("ann@example.test", "Mail Delivery System")
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in raw
    assert b" KB of 97.6 KB are used.\r\n" in raw
    assert b"While a mailbox is full, new mail to it is refused" in raw
    assert b"To make room, delete" in raw
    assert b"postmaster@example.test" in raw


def test_a_mailbox_whose_quota_shrinks_below_its_use_is_told_that_it_is_full(office: PostOffice) -> None:
    fill(office, 1_000)
    office.lane.run(SetQuota(mailbox_id=ANN, command_id="q", limit_bytes=0))
    tell(office)
    assert told(office) == ["Your mailbox is full"]
    tell(office)
    assert told(office) == ["Your mailbox is full"]


def test_a_level_passed_again_after_the_use_fell_below_it_is_told_again(office: PostOffice, clock: Clock) -> None:
    for number in range(2):
        fill(office, 83_000)
        large = MessageId(office.inbox("m1")[-1]["id"])
        tell(office)
        assert len(told(office)) == number + 1
        for step in ("trash", "gone"):
            office.lane.run(DeleteMessages(mailbox_id=ANN, command_id=f"{step} {number}", ids=(large,)))
        clock.advance(1)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("part", "method"), [("queue", "expect"), ("blobs", "exists"), ("blobs", "put"), ("queue", "put")]
)
def test_a_duty_that_dies_between_two_steps_tells_once(
    office: PostOffice, clock: Clock, part: str, method: str, after: bool
) -> None:
    fill(office, 81_000)
    real: dict[str, Any] = {"queue": office.queue, "blobs": office.blobs}
    with pytest.raises(Crash):
        tell(office, **{part: CrashesAt(real[part], method, after=after)})
    assert waiting(office) == [("m1", 80)]
    office.worker().run_due()
    clock.advance(1)
    assert tell(office) == 1
    assert told(office) == ["Your mailbox is 80 % full"]
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]


def test_a_notice_that_was_delivered_before_the_duty_died_keeps_its_bytes(office: PostOffice) -> None:
    fill(office, 81_000)
    with pytest.raises(Crash):
        tell(office, queue=CrashesAt(office.queue, "put", after=True))
    assert len(told(office)) == 1
    message = office.inbox("m1")[-1]
    raw = office.blobs.read(message["blob"])
    tell(office, hostname="renamed.example.test")
    assert len(told(office)) == 1
    assert office.blobs.read(message["blob"]) == raw


def test_a_row_in_another_process_hands_is_left_to_it(office: PostOffice) -> None:
    fill(office, 81_000)
    with office.pool.connection() as other, other.transaction():
        other.execute("SELECT 1 FROM notices FOR UPDATE")
        assert tell(office) == 0
    assert tell(office) == 1
    assert len(told(office)) == 1


@pytest.mark.parametrize("state", ["suspended", "closed"])
def test_nobody_is_told_of_an_account_that_is_shut(office: PostOffice, state: str) -> None:
    fill(office, 81_000)
    office.rows("UPDATE accounts SET state = %s RETURNING 1", state)
    assert tell(office) == 1
    assert (waiting(office), told(office)) == ([], [])


def test_nor_of_a_mailbox_without_an_account(office: PostOffice) -> None:
    fill(office, 81_000)
    office.rows("DELETE FROM accounts RETURNING 1")
    assert tell(office) == 1
    assert (waiting(office), told(office)) == ([], [])


def test_an_object_that_cannot_be_written_stands_in_nobodys_way(office: PostOffice) -> None:
    fill(office, 81_000)
    fill(office, 81_000, address="bob@example.test")
    seen: set[str] = set()

    def is_first(blob: str) -> bool:
        seen.add(blob)
        return len(seen) == 1

    broken = BrokenFor(office.blobs, is_first, "put")
    with pytest.raises(PassedOverError, match=r"m1: OSError"):
        tell(office, at_once=1, blobs=broken)
    assert waiting(office) == [("m1", 80)]
    assert (told(office), len(told(office, "m2"))) == ([], 1)
    assert tell(office) == 1
    assert len(told(office)) == 1


def test_while_the_queue_does_not_answer_every_row_stays(office: PostOffice) -> None:
    fill(office, 81_000)
    fill(office, 81_000, address="bob@example.test")
    with pytest.raises(QueueUnavailableError):
        tell(office, queue=PostgresQueue(lambda: psycopg.connect("host=/nowhere")))
    assert waiting(office) == [("m1", 80), ("m2", 80)]
    assert tell(office) == 2
    assert (len(told(office)), len(told(office, "m2"))) == (1, 1)


def test_a_notice_for_a_mailbox_whose_key_is_missing_waits_in_the_queue(office: PostOffice, clock: Clock) -> None:
    fill(office, 81_000)
    fill(office, 81_000, address="bob@example.test")
    assert tell(office) == 2
    keyless = Keyless(office.lane, ANN)
    office.worker(appender=keyless, outages=replace(OUTAGES, lone=(KeyMissingError,))).run_due()
    assert (told(office), len(told(office, "m2"))) == ([], 1)
    assert waiting(office) == []
    clock.advance(60)
    assert len(told(office)) == 1
