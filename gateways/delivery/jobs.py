"""One leased record on its way through a worker, and what is made of it for book, reports and memory."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future

import msgspec
from msgspec import UNSET

from domain.commands import Command, Outcome
from domain.ids import MailboxId
from gateways import attachments
from gateways.delivery.book import Entry
from gateways.delivery.filtered import Filtered
from gateways.delivery.incoming import DeliverAccepted, deliver_command, fingerprint
from gateways.delivery.notification import Bounce
from gateways.delivery.opened import OpenedMail
from gateways.delivery.reports import report_of
from gateways.delivery.routes import Routed
from gateways.queue import Leased
from gateways.spam.learning import Asked, PersonalFilters

DELIVERED = "250 2.1.5 delivered"


class Job(msgspec.Struct, eq=False):
    """One leased record on its way: read, routed, filtered by each mailbox's rules, its deliveries in the lane."""

    leased: Leased
    mail: OpenedMail
    routed: Routed
    own_words: dict[MailboxId, bool] = {}
    """Where the owner's filter calls it spam, or none."""
    futures: dict[MailboxId, "Future[Outcome]"] = {}
    settled: list[int] = []
    passed_on: list[int] = []
    """The relay has these, and tells of them."""
    bounces: list[Bounce] = []
    filtered: dict[MailboxId, Filtered] = {}

    @property
    def is_over(self) -> bool:
        """Whether nobody of those who were due has to be tried again."""
        return set(self.leased.recipients) <= {*self.settled, *self.passed_on}


def bounded(batch: Sequence[Leased], bytes_at_once: int) -> Iterator[Sequence[Leased]]:
    """The batch in parts of at most so many bytes, or of one message."""
    part: list[Leased] = []
    total = 0
    for leased in batch:
        size_bytes = leased.record.envelope.size_bytes
        if part and total + size_bytes > bytes_at_once:
            yield part
            part, total = [], 0
        part.append(leased)
        total += size_bytes
    if part:
        yield part


def deliveries(job: Job, first: Mapping[tuple[str, MailboxId], str]) -> Iterator[DeliverAccepted]:
    """The command of each mailbox; `first` says which acceptance came first there, as the book does."""
    for mailbox_id, recipients in job.routed.mailboxes.items():
        yield deliver_command(
            job.leased.record,
            job.mail.parsed,
            mailbox_id=mailbox_id,
            recipients=recipients,
            first_acceptance=first[job.leased.record.acceptance_id, mailbox_id],
            content_bytes=job.mail.content_bytes,
            attachments=job.mail.attachment_names,
            filtered=job.filtered[mailbox_id],
        )


def ask_owners(jobs: Sequence[Job], filters: PersonalFilters) -> None:
    """Have the owners' own filters look at what the installation's has looked at."""
    asked = [(job, question) for job in jobs for question in _questions(job)]
    words = filters.judge([question for _, question in asked])
    for (job, question), word in zip(asked, words, strict=True):
        if word is not None:
            job.own_words[question.mailbox_id] = word


def _questions(job: Job) -> Iterator[Asked]:
    screening = job.leased.record.envelope.screening
    if screening is UNSET or screening.spam_score is None:
        return
    authors = job.mail.parsed.summary.from_
    author = authors[0].address if len(authors) == 1 else ""
    for mailbox_id in job.routed.mailboxes:
        yield Asked(mailbox_id, screening, author, job.mail.whole)


def reports_of(job: Job) -> list[Command]:
    """What the sender's mailbox is told of the settled recipients."""
    bounced = {bounce.recipient: bounce.reply for bounce in job.bounces}
    told = []
    for index in job.settled:
        status = "bounced" if index in bounced else "delivered"
        told.append(report_of(job.leased.record, index, status=status, last_reply=bounced.get(index, DELIVERED)))
    return [command for command in told if command is not None]


def entry_of(job: Job) -> Entry:
    """What the book keeps of it."""
    record = job.leased.record
    return Entry(
        acceptance_id=record.acceptance_id,
        received_at=record.envelope.received_at,
        blob=record.blob,
        parsed=job.mail.parsed,
        attachments=attachments.blob_sizes(job.mail.parts),
        fingerprint=fingerprint(record, job.mail.parsed),
        mailboxes=tuple(job.routed.mailboxes),
    )
