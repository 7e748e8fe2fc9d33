"""A worker may die between any two steps: every mailbox has the message once, and nothing stays held."""

from typing import Any

import pytest

from gateways.mail_objects import read_mail
from tests.contracts.queue import Clock
from tests.gateways.delivery.test_delivery_worker import with_attachment
from tests.gateways.delivery.test_sender import Crash, CrashesAt
from tests.post_office import PostOffice

STEPS = [
    ("queue", "lease"),
    ("directory", "find_all"),
    ("blobs", "read"),
    ("book", "enter"),
    ("blobs", "put"),
    ("appender", "submit"),
    ("queue", "put"),
    ("queue", "done"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("part", "method"), STEPS)
def test_a_crash_at_any_step_of_delivery_neither_loses_nor_doubles(
    office: PostOffice, clock: Clock, part: str, method: str, after: bool
) -> None:
    raw = with_attachment(1)
    office.accept(raw, "ann@example.test", "gone@example.test", "carl@example.test", reverse_path="carl@example.test")
    real: dict[str, Any] = {
        "queue": office.queue,
        "directory": office.directory,
        "blobs": office.blobs,
        "book": office.book,
        "appender": office.lane,
    }
    dying = office.worker(**{part: CrashesAt(real[part], method, after=after)})
    with pytest.raises(Crash):
        dying.run_due()
    for _ in range(3):
        clock.advance(121)
        office.worker().run_due()
    (for_ann,) = office.inbox("m1")
    notices = [m for m in office.inbox("m2") if m["subject"].startswith("Undelivered")]
    copies = [m for m in office.inbox("m2") if m["subject"] == "Hello"]
    assert (len(notices), len(copies)) == (1, 1)
    assert read_mail(office.blobs, for_ann["blob"]) == raw
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == [(0,)]
