"""What an account sent, for an operator who must tell: which bytes went to whom, when, and with which answer.

The log tells envelope and answers, the trips what was put before the message for each host, the object the rest. All of
it stays for as long as LEDGERMAIL_SENT_ARCHIVE_DAYS says, even if the owner deletes the message meanwhile
(`infra.timers.forget_messages`), and goes with the account at once.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from psycopg import Connection

from domain.events import RecipientReported, RecordedEvent, SubmissionQueued, SubmissionRejected, SubmissionUndone
from domain.ids import MailboxId, SubmissionId
from gateways.blobs import Blobs
from gateways.mail_objects import read_mail
from gateways.relay.message import sent_bytes
from infra.operator_errors import OperatorError
from infra.relay.sent_trips import SentTrip, SentTrips
from infra.store.reading import StreamReader

REDACTED = "(no longer readable)"
_BLOB = (
    "SELECT m.blob FROM mailboxes b"
    " JOIN submissions s ON s.mailbox_id = b.mailbox_id AND s.generation = b.generation AND s.submission_id = %s"
    " JOIN messages m ON m.mailbox_id = b.mailbox_id AND m.generation = b.generation AND m.message_id = s.message_id"
    " WHERE b.mailbox_id = %s AND NOT b.erased"
)


class NoSuchTripError(OperatorError):
    """That was not sent, or is kept no longer."""


class Answered(msgspec.Struct):
    """One recipient: what the log last told of it; unix milliseconds."""

    address: str
    status: str = "queued"
    reply: str = ""
    at: int = 0


class SentMail(msgspec.Struct):
    """A submission. `at` is when it was handed over, unix milliseconds."""

    submission_id: SubmissionId
    at: int
    stream: str
    mail_from: str
    recipients: list[Answered]


def sent_by(reader: StreamReader, mailbox_id: MailboxId, *, since_ms: int = 0) -> list[SentMail]:
    """All that the mailbox handed over since then, the first first."""
    found: dict[SubmissionId, SentMail] = {}
    for recorded in reader.recorded(mailbox_id):
        match recorded.event:
            case SubmissionQueued() as queued if recorded.recorded_at >= since_ms:
                found[queued.submission_id] = _queued(queued, recorded.recorded_at)
            case RecipientReported() | SubmissionRejected() | SubmissionUndone() as told:
                if (mail := found.get(told.submission_id)) is not None:
                    _answer(mail, told, recorded)
    return list(found.values())


def bytes_of(
    connection: Connection[Any], *, trips: SentTrips, blobs: Blobs, mailbox_id: MailboxId, submission_id: SubmissionId
) -> Callable[[int], bytes]:
    """Gives the very bytes of a submission's transaction, by its number from 1.

    Raises: NoSuchTripError: also where the bytes are not those that were told.
    """
    row = connection.execute(_BLOB, (submission_id, mailbox_id)).fetchone()
    known = trips.of(connection, mailbox_id, submission_id)

    def of(number: int) -> bytes:
        if row is None or not 1 <= number <= len(known):
            raise NoSuchTripError(f"{submission_id} has no transaction {number} that is kept")
        copy = known[number - 1].copy
        whole = sent_bytes(read_mail(blobs, row[0]), copy)
        if hashlib.sha256(whole).hexdigest() != copy.sha256:
            raise NoSuchTripError(f"{submission_id}: the stored message does not give back what was sent")
        return whole

    return of


def trips_of(connection: Connection[Any], trips: SentTrips, mailbox_id: MailboxId, mail: SentMail) -> Iterator[str]:
    """A line for each transaction of a mail with another host."""
    for number, trip in enumerate(trips.of(connection, mailbox_id, mail.submission_id), start=1):
        yield f"{number}: {_told(trip, mail)}"


def _told(trip: SentTrip, mail: SentMail) -> str:
    to = ", ".join(mail.recipients[place].address for place in trip.places if place < len(mail.recipients))
    return f"{trip.copy.host} for {to}: {trip.copy.size_bytes} bytes, sha256 {trip.copy.sha256}"


def _queued(queued: SubmissionQueued, at: int) -> SentMail:
    if not queued.personal:
        recipients, mail_from = [Answered(REDACTED) for _ in range(queued.recipient_count)], REDACTED
    else:
        recipients = [Answered(one.address) for one in queued.personal.recipients]
        mail_from = queued.personal.mail_from
    return SentMail(queued.submission_id, at, queued.stream, mail_from, recipients)


def _answer(
    mail: SentMail, told: RecipientReported | SubmissionRejected | SubmissionUndone, recorded: RecordedEvent
) -> None:
    places = [told.recipient] if isinstance(told, RecipientReported) else range(len(mail.recipients))
    for place in places:
        one = mail.recipients[place]
        one.at = recorded.recorded_at
        if isinstance(told, RecipientReported):
            one.status, one.reply = told.status, told.personal.last_reply if told.personal else ""
        elif isinstance(told, SubmissionRejected):
            one.status, one.reply = "rejected", told.reason
        else:
            one.status = "undone"
