"""What becomes of mail that comes back to a return path of ours, or to the address for complaints.

A bounce or a complaint is told to the mailbox that sent the message, under a command id that names submission,
recipient and kind: told again, it is the same. Of what counted as sent before, the sender gets a notice. What
somebody's server answers by itself (RFC 3834) is delivered to the sender, for it is written to him. Reports of delays
and of success are done with by their arrival. What nobody can make out, or belongs to nobody any more, goes to the
operator.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec

from domain.commands import Outcome, Refusal
from domain.decisions.feedback import ReportBounce, ReportComplaint
from domain.events import Who
from domain.ids import MailboxId, SubmissionId
from gateways.appending import Appender
from gateways.bounces.reading import read_report
from gateways.bounces.report import Report, Told
from gateways.bounces.return_path import Returned
from gateways.delivery.jobs import Job
from gateways.delivery.late_bounce import LateBounce, LateBounces
from gateways.delivery.own_mail import one_line
from gateways.delivery.routes import ReturnAddresses

_WHO = Who(actor="system", protocol="smtp")
_SAYS_BY_HAND = (None, "no")


class NoOperatorError(Exception):
    """Nobody is there for what nobody can make out: the record waits for an operator among the dead letters."""


Owner = Callable[[MailboxId, SubmissionId, int], str | None]
"""The address of whoever is to be told that this recipient did not get the submission; None for nobody."""


class Returns:
    """Takes back what returns. `owner` blocks."""

    def __init__(self, *, addresses: ReturnAddresses, appender: Appender, notices: LateBounces, owner: Owner) -> None:
        self.addresses = addresses
        self._appender = appender
        self._notices = notices
        self._owner = owner

    def take(self, jobs: Sequence[Job]) -> "list[Taken]":
        """Begin to tell the senders' mailboxes, all at once; each is to be finished."""
        return [taken for job in jobs for taken in self._of(job)]

    def _of(self, job: Job) -> "Iterator[Taken]":
        report: Report | None = None
        for index, returned in job.routed.returned.items():
            if returned is not None and not _is_automatic(job):
                job.routed.gone.append(index)
                continue
            report = report or read_report(job.mail.whole)
            yield self._taken(job, index, returned or self._quoted(job, report), report)

    def _quoted(self, job: Job, report: Report) -> Returned | None:
        """The return path under which the message left that a complaint quotes."""
        at_ms = job.leased.record.envelope.received_at
        for path in report.return_paths if report.feedback_type else ():
            paths = self.addresses.return_paths
            found = None if paths is None else paths.read(path.rpartition("@")[0], at_ms=at_ms)
            if found is not None:
                return found
        return None

    def _taken(self, job: Job, index: int, returned: Returned | None, report: Report) -> "Taken":
        told = _decisive(report.told)
        if returned is None or (told is None and not report.feedback_type):
            return Taken(job, index, is_unmatched=True)
        if told is None or told.action in ("delayed", "delivered"):
            return Taken(job, index)
        if told.action == "replied":
            return Taken(job, index, to=returned.mailbox_id)
        if told.action == "complained":
            return Taken(job, index, told=self._appender.submit(_complaint(returned, report)))
        bounce = _bounce(returned, told)
        return Taken(
            job,
            index,
            told=self._appender.submit(bounce),
            late=lambda at: self._late(bounce, at, told),
        )

    def _late(self, bounce: ReportBounce, address: str | None, told: Told) -> None:
        to = self._owner(bounce.mailbox_id, bounce.submission_id, bounce.recipient)
        if to is not None:
            self._notices.tell(
                LateBounce(
                    mailbox_id=bounce.mailbox_id,
                    submission_id=bounce.submission_id,
                    place=bounce.recipient,
                    to=to,
                    recipient=address or told.recipient,
                    status=told.status,
                    diagnostic=told.diagnostic,
                    is_hard=bounce.feedback == "hard",
                )
            )


class Taken(msgspec.Struct, eq=False):
    """One recipient of a record that brought something back, and what is done with it."""

    job: Job
    index: int
    to: MailboxId | None = None
    """The mailbox that gets the message itself."""
    is_unmatched: bool = False
    """The operator does."""
    told: "Future[Outcome] | None" = None
    late: Callable[[str | None], None] | None = None

    def finish(self) -> None:
        """Wait for the append; then the notice, and settled. Refused, because sender or submission are gone, it goes to
        the operator.

        Raises: what the append or the queue raised, NoOperatorError, before anything is settled.
        """
        if self.told is not None:
            try:
                self._tell_late(self.told.result().answer)
            except Refusal:
                self.is_unmatched = True
        to = self._operator() if self.is_unmatched else self.to
        if to is None:
            self.job.settled.append(self.index)
        else:
            self.job.routed.mailboxes.setdefault(to, []).append(self.index)

    def _operator(self) -> MailboxId:
        if self.job.routed.operator is None:
            raise NoOperatorError("nobody is postmaster here")
        return self.job.routed.operator

    def _tell_late(self, answer: dict[str, Any]) -> None:
        if self.late is not None and answer.get("late"):
            self.late(answer.get("address"))


def _is_automatic(job: Job) -> bool:
    """Whether it comes from the null reverse-path, or says that a machine sent it (RFC 3834 section 5)."""
    return not job.leased.record.envelope.reverse_path or job.mail.parsed.summary.auto_submitted not in _SAYS_BY_HAND


def _decisive(told: Sequence[Told]) -> Told | None:
    """What a report says of the one recipient that its return path stands for. Where it tells of several, an alias or a
    list stands behind that one, and only what holds for all of them is hard."""
    failed = [one for one in told if one.action == "failed"]
    if not failed:
        return told[0] if told else None
    is_hard = len(failed) == len(told) and all(one.kind == "hard" for one in failed)
    return failed[0] if is_hard else msgspec.structs.replace(failed[0], kind="soft")


def _bounce(returned: Returned, told: Told) -> ReportBounce:
    place = f"{returned.submission_id}:{returned.place}"
    return ReportBounce(
        mailbox_id=returned.mailbox_id,
        command_id=f"bounce:{place}:{told.kind}",
        who=_WHO,
        submission_id=returned.submission_id,
        recipient=returned.place,
        feedback=told.kind,
        last_reply=one_line(told.diagnostic),
    )


def _complaint(returned: Returned, report: Report) -> ReportComplaint:
    return ReportComplaint(
        mailbox_id=returned.mailbox_id,
        command_id=f"complaint:{returned.submission_id}:{returned.place}",
        who=_WHO,
        submission_id=returned.submission_id,
        recipient=returned.place,
        feedback_type=one_line(report.feedback_type),
    )
