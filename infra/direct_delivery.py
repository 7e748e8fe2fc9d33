"""Messages that come into a mailbox without a queue: brought along, or written by the program itself.

As in the delivery worker, a message's objects are touched, put and durable before the append that holds them; the
object's name follows from its content, so that whoever repeats an interrupted delivery writes the same object again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from domain.commands import Outcome
from domain.decisions.delivery import Deliver
from domain.decisions.drafting import SaveDraft
from domain.events import MessageServer, Who
from domain.ids import LabelId, MailboxId
from domain.threading import ref, refs_of, subject_ref
from gateways.appending import Appender
from gateways.blobs import Blobs, mail_blob_name
from gateways.delivery.incoming import correspondents, is_reply_by_subject, personal_of
from gateways.mail_objects import replace_with_split
from gateways.mime.parse import parse
from gateways.mime.structure import ParsedMessage
from infra import blob_references
from infra.extracts import store_extracts
from infra.postgres_queue import Connect

PUTS_AT_ONCE = 32
_MARK = "i"
_OF_DRAFTS = (
    *("mailbox_id", "command_id", "who", "personal", "server", "size", "received_at", "has_attachment", "blobs"),
    *("own_ref", "is_reply_by_subject"),
)


def is_direct(acceptance_id: str) -> bool:
    """Whether the message came in this way: nobody at a door accepted it."""
    return acceptance_id.startswith(_MARK)


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be delivered: its bytes with CRLF line ends, and what becomes of it.

    `command_id` tells a repeat, whatever else differs. `trace` is the block that its delivery put in front.
    """

    content: bytes
    command_id: str
    received_at: int
    labels: tuple[LabelId, ...]
    source: str
    keywords: tuple[str, ...] = ()
    trace: bytes = b""
    limit_quota: bool = False


class _Stored(msgspec.Struct):
    arrival: Arrival
    parsed: ParsedMessage
    acceptance_id: str
    blob: str
    attachments: tuple[str, ...] = ()


class DirectDelivery:
    """Delivers straight into mailboxes; `close` ends its threads. Safe to share between threads."""

    def __init__(self, connect: Connect, blobs: Blobs, appender: Appender) -> None:
        self._connect = connect
        self._blobs = blobs
        self._appender = appender
        self._putting = ThreadPoolExecutor(PUTS_AT_ONCE, thread_name_prefix="objects")

    def submit(self, mailbox_id: MailboxId, arrivals: Sequence[Arrival], who: Who) -> "list[Future[Outcome]]":
        """Store these messages and hand them to the log; each future's exception is a `Refusal` or an outage.

        Raises: StorageFullError, psycopg.Error: some may have been stored, none was delivered.
        """
        return [self._appender.submit(_command(one, mailbox_id, who)) for one in self._stored(arrivals)]

    def save_draft(self, mailbox_id: MailboxId, written: Arrival, who: Who) -> "Future[Outcome]":
        """Store a message and save it as a new draft, whose labels and keywords are those of drafts."""
        (one,) = self._stored([written])
        message = _command(one, mailbox_id, who)
        draft = SaveDraft(**{name: getattr(message, name) for name in _OF_DRAFTS})
        return self._appender.submit(draft)

    def _stored(self, arrivals: Sequence[Arrival]) -> "list[_Stored]":
        stored = [_read(arrival) for arrival in arrivals]
        with self._connect() as connection, connection.transaction():
            blob_references.touch(connection, {one.blob: len(one.arrival.content) for one in stored})
            store_extracts(connection, {one.blob: one.parsed for one in stored})
        for one, attachments in zip(stored, self._putting.map(self._put, stored), strict=True):
            one.attachments = attachments
        return stored

    def close(self) -> None:
        """End the threads that write objects."""
        self._putting.shutdown()

    def _put(self, one: _Stored) -> tuple[str, ...]:
        """The object as a finished delivery leaves it, with holes where large attachments are; their names."""
        return replace_with_split(self._blobs, one.blob, one.arrival.content, one.parsed, touch=self._touch)

    def _touch(self, sizes: Mapping[str, int]) -> None:
        with self._connect() as connection, connection.transaction():
            blob_references.touch(connection, sizes)


def _read(arrival: Arrival) -> _Stored:
    digest = hashlib.sha256(arrival.content).hexdigest()
    acceptance_id = f"{_MARK}{digest[:40]}"
    return _Stored(arrival, parse(arrival.content), acceptance_id, mail_blob_name(acceptance_id, arrival.received_at))


def _command(one: _Stored, mailbox_id: MailboxId, who: Who) -> Deliver:
    arrival, parsed = one.arrival, one.parsed
    summary = parsed.summary
    message_id = summary.message_id or ""
    return Deliver(
        mailbox_id=mailbox_id,
        command_id=arrival.command_id,
        who=who,
        personal=personal_of(parsed),
        server=MessageServer(
            blob=one.blob,
            acceptance_id=one.acceptance_id,
            content_sha256=hashlib.sha256(arrival.content).hexdigest(),
            refs=refs_of(message_id, summary.references, summary.in_reply_to),
            subject_ref=subject_ref(parsed.base_subject, correspondents(parsed)),
            trace=arrival.trace.decode(errors="replace"),
        ),
        size=len(arrival.trace) + len(arrival.content),
        received_at=arrival.received_at,
        labels=arrival.labels,
        keywords=arrival.keywords,
        source=arrival.source,
        has_attachment=any(not attachment.inline for attachment in parsed.attachments),
        own_ref=ref(message_id),
        is_reply_by_subject=is_reply_by_subject(parsed),
        blobs=(one.blob, *one.attachments),
        limit_quota=arrival.limit_quota,
    )
