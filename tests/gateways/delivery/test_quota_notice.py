"""The mail that tells an owner how full the mailbox is."""

from typing import Any

import pytest

from domain.ids import MailboxId
from gateways.delivery.quota_notice import QuotaNotice, QuotaNotices, size_text
from gateways.mime.parse import parse
from gateways.queue import QueueRecord
from tests.contracts.queue import Clock
from tests.post_office import PostOffice


def queued(office: PostOffice, **changes: Any) -> tuple[QueueRecord, bytes]:
    """The record and the bytes of a notice."""
    wanted: dict[str, Any] = {"level": 90, "used_bytes": 905, "limit_bytes": 1000, "noted_at": office.now_ms()}
    wanted |= {"mailbox_id": MailboxId("m1"), "address": "ann@example.test"}
    notices = QuotaNotices(queue=office.queue, blobs=office.blobs, hostname="mx.example.test")
    notices.tell(QuotaNotice(**wanted | changes))
    (leased,) = office.queue.lease("w1", limit=10, lease_s=60)
    return leased.record, office.blobs.read(leased.record.blob)


def test_nobody_is_told_that_it_could_not_be_delivered(office: PostOffice) -> None:
    envelope = queued(office)[0].envelope
    assert (envelope.reverse_path, envelope.recipients[0].notify) == ("", ("NEVER",))
    assert envelope.recipients[0].forward_path == "ann@example.test"


@pytest.mark.parametrize(("used", "subject"), [(905, "90 % full"), (999, "90 % full"), (1000, "full"), (2000, "full")])
def test_the_subject_says_how_full_it_is(office: PostOffice, used: int, subject: str) -> None:
    assert parse(queued(office, used_bytes=used)[1]).summary.subject == f"Your mailbox is {subject}"


def test_an_address_beyond_ascii_is_written_as_it_is(office: PostOffice) -> None:
    record, raw = queued(office, address="ännchen@example.test")
    assert record.envelope.smtputf8
    assert parse(raw).summary.to[0].address == "ännchen@example.test"


def test_what_is_told_later_is_another_mail(office: PostOffice, clock: Clock) -> None:
    first, _ = queued(office)
    clock.advance(1)
    second, _ = queued(office)
    assert first.acceptance_id != second.acceptance_id


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (1024**2 - 1, "1023.9 KB"),
        (15 * 1024**3, "15.0 GB"),
        (5 * 1024**5, "5120.0 TB"),
    ],
)
def test_sizes_are_rounded_down(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text
