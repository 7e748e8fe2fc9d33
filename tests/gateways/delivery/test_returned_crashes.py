"""A worker may die between any two steps over what comes back: it is told once, its notice is there once, and what goes
to somebody's mailbox is there once."""

from typing import Any

import pytest

from domain.ids import MailboxId, SubmissionId, new_id
from gateways.bounces.return_path import ReturnPaths
from gateways.delivery.late_bounce import LateBounces
from gateways.delivery.reports import report
from gateways.delivery.returned import Returns
from gateways.delivery.routes import ReturnAddresses
from gateways.delivery.worker import DeliveryWorker
from tests.contracts.queue import Clock
from tests.gateways.bounces.test_reading import status_report
from tests.gateways.delivery.test_sender import Crash, CrashesAt, statuses, submit
from tests.post_office import DOMAIN, PostOffice

BOUNCE = status_report(
    "Final-Recipient: rfc822; x@far.test\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 no such user"
)
AWAY = b"From: X <x@far.test>\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nBack in May.\r\n"
STEPS = [("appender", "submit"), ("queue", "expect"), ("blobs", "put"), ("queue", "put"), ("queue", "done")]


class Returning:
    """Eve's mailbox and a message of hers that has left."""

    def __init__(self, office: PostOffice) -> None:
        self.office = office
        self.mailbox_id: MailboxId = office.open_mailbox(new_id("m"), "eve@example.test")
        office.open_mailbox("m9", "operator@example.test")
        office.directory.entries["postmaster"] = office.directory.entries["operator@example.test"]
        self.submission_id = SubmissionId(submit(office, "x@far.test", mailbox_id=self.mailbox_id))
        office.lane.run(report(self.mailbox_id, self.submission_id, 0, status="relayed", last_reply="250 ok"))
        self.paths = ReturnPaths(bytes(32), DOMAIN, clock_ms=office.now_ms)
        self.path = self.paths.make(self.mailbox_id, self.submission_id, 0)

    def worker(self, **broken: Any) -> DeliveryWorker:
        parts: dict[str, Any] = {"queue": self.office.queue, "blobs": self.office.blobs, "appender": self.office.lane}
        parts |= broken
        notices = LateBounces(
            queue=parts["queue"], blobs=parts["blobs"], hostname="mx.example.test", clock_ms=self.office.now_ms
        )
        returns = Returns(
            addresses=ReturnAddresses(self.paths),
            appender=parts["appender"],
            notices=notices,
            owner=lambda *_place: "eve@example.test",
        )
        return self.office.worker(**parts, returns=returns)

    def subjects(self) -> list[str]:
        return [message["subject"] for message in self.office.inbox(self.mailbox_id)]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("part", "method"), STEPS)
def test_a_crash_at_any_step_neither_loses_nor_doubles_a_bounce_nor_an_answer(
    office: PostOffice, clock: Clock, part: str, method: str, after: bool
) -> None:
    returning = Returning(office)
    office.accept(BOUNCE, returning.path, reverse_path="")
    office.accept(AWAY, returning.path, reverse_path="")
    real = {"queue": office.queue, "blobs": office.blobs, "appender": office.lane}
    dying = returning.worker(**{part: CrashesAt(real[part], method, after=after)})
    with pytest.raises(Crash):
        dying.run_due()
    for _ in range(3):
        clock.advance(121)
        returning.worker().run_due()
    assert sorted(returning.subjects()) == ["Out of office", "Undelivered mail returned to sender"]
    assert [one["status"] for one in statuses(office)] == ["bounced"]
    topics = [topic for (topic,) in office.rows("SELECT topic FROM stored_events ORDER BY originator_version")]
    assert (topics.count("RecipientReported"), topics.count("AddressSuppressed")) == (2, 1)
    assert office.inbox("m9") == []
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    held = "SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%' AND holder NOT LIKE 'outbox:%%'"
    assert office.rows(held) == [(0,)]


def test_without_an_operator_what_nobody_can_make_out_waits_among_the_dead_letters(
    office: PostOffice, clock: Clock
) -> None:
    returning = Returning(office)
    del office.directory.entries["postmaster"]
    office.accept(b"From: x@far.test\r\nSubject: Hm\r\n\r\nGreetings.\r\n", returning.path, reverse_path="")
    for _ in range(4):
        returning.worker().run_due()
        clock.advance(3_600)
    assert office.rows("SELECT count(*) FROM dead_letters") == [(1,)]
    assert returning.subjects() == []


def test_a_report_that_was_accepted_in_time_is_told_however_late_it_is_worked_on(
    office: PostOffice, clock: Clock
) -> None:
    returning = Returning(office)
    office.accept(BOUNCE, returning.path, reverse_path="")
    clock.advance(90 * 86_400)
    returning.worker().run_due()
    assert [one["status"] for one in statuses(office)] == ["bounced"]
