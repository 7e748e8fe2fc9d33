"""What a mailbox is told of a message: the `Deliver` command of one recipient, out of one reading of the bytes."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec
from msgspec import UNSET

from domain.decisions.delivery import Deliver
from domain.events import AttachmentSummary, Mailaddress, MessagePersonal, MessageServer, Who
from domain.ids import MailboxId
from domain.threading import ref, refs_of, subject_ref
from domain.times import rfc3339
from gateways.delivery.placing import placement
from gateways.envelope import Envelope
from gateways.mime.structure import Address, ParsedMessage
from gateways.mime.trace import trace_block
from gateways.queue import QueueRecord

MAX_LISTED = 100
"""Addresses of a field and attachments that an event names; the extract has them all."""

_REPLY = re.compile(r"\s*(?:\[[^\[\]]*\]\s*)*re\s*(?:\[[^\[\]]*\]\s*)?:", re.IGNORECASE)
_WHO = Who(actor="system", protocol="smtp")


class DeliverAccepted(Deliver, frozen=True, kw_only=True):
    """A delivery out of the queue. Its command id alone says which it is: a repeat after a parser's upgrade, or of the
    sender's in another acceptance, is the same delivery though it is spelled otherwise."""

    TRUSTED_ID: ClassVar[bool] = True


def deliver_command(
    record: QueueRecord,
    parsed: ParsedMessage,
    *,
    mailbox_id: MailboxId,
    recipients: Sequence[int],
    first_acceptance: str,
    content_bytes: int,
    attachments: Sequence[str],
    is_spam: bool | None = None,
) -> DeliverAccepted:
    """The command that delivers a record to one mailbox, for the recipients (indices) that lead there.

    `first_acceptance` is the acceptance whose delivery this is: another one's for a sender's repeat. `is_spam` is what
    the owner's own filter says, if anything.
    """
    envelope = record.envelope
    trace = _trace(envelope, envelope.recipients[recipients[0]].forward_path)
    placed = placement(envelope.screening, is_spam)
    message_id = parsed.summary.message_id or ""
    return DeliverAccepted(
        mailbox_id=mailbox_id,
        command_id=f"deliver:{first_acceptance}",
        who=_WHO,
        personal=personal_of(parsed),
        server=MessageServer(
            blob=record.blob,
            acceptance_id=record.acceptance_id,
            content_sha256=envelope.content_sha256,
            refs=refs_of(message_id, parsed.summary.references, parsed.summary.in_reply_to),
            subject_ref=subject_ref(parsed.base_subject, correspondents(parsed)),
            trace=trace.decode(),
            envelope=_recorded_envelope(envelope, recipients),
            screening=_recorded_screening(envelope),
        ),
        size=len(trace) + content_bytes,
        received_at=envelope.received_at,
        labels=placed.labels,
        keywords=placed.keywords,
        source="inbound",
        has_attachment=any(not attachment.inline for attachment in parsed.attachments),
        own_ref=ref(message_id),
        is_reply_by_subject=is_reply_by_subject(parsed),
        blobs=(record.blob, *attachments),
    )


def _trace(envelope: Envelope, forward_path: str) -> bytes:
    return trace_block(
        return_path=envelope.reverse_path,
        delivered_to=forward_path,
        helo=envelope.helo,
        client=envelope.peer,
        hostname=envelope.hostname,
        protocol=envelope.protocol,
        acceptance_id=envelope.acceptance_id,
        received_at_ms=envelope.received_at,
        tls=envelope.tls,
        authentication_results=("none",) if envelope.screening is UNSET else envelope.screening.results,
    )


def fingerprint(record: QueueRecord, parsed: ParsedMessage) -> bytes:
    """What a sender's repeat has in common with the message; empty without a Message-ID, which makes none a repeat."""
    message_id = parsed.summary.message_id
    if not message_id:
        return b""
    return hashlib.sha256(f"{record.envelope.content_sha256}\0{message_id}".encode(errors="replace")).digest()


def personal_of(parsed: ParsedMessage) -> MessagePersonal:
    """The summary that lists show, bounded, without characters that a database refuses."""
    summary = parsed.summary
    return MessagePersonal(
        from_=_shown(summary.from_),
        to=_shown(summary.to),
        cc=_shown(summary.cc),
        subject=clean(summary.subject),
        snippet=clean(parsed.snippet),
        date=None if summary.date is None else rfc3339(summary.date),
        attachments=tuple(
            AttachmentSummary(clean(a.filename), clean(a.content_type), a.size) for a in parsed.attachments[:MAX_LISTED]
        ),
    )


def clean(text: str) -> str:
    """The text with U+FFFD for NUL and a question mark for a lone surrogate."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _shown(addresses: Iterable[Address]) -> tuple[Mailaddress, ...]:
    return tuple(Mailaddress(clean(a.name), clean(a.address)) for a in tuple(addresses)[:MAX_LISTED])


def correspondents(parsed: ParsedMessage) -> list[str]:
    """The addresses that write and are written to."""
    summary = parsed.summary
    return [a.address for a in (*summary.from_, *summary.to, *summary.cc) if a.address]


def is_reply_by_subject(parsed: ParsedMessage) -> bool:
    """Whether the subject says "Re:" and the header mentions no other message."""
    summary = parsed.summary
    mentions = summary.in_reply_to or summary.references
    return not mentions and parsed.reply_or_forward and _REPLY.match(summary.subject) is not None


def _recorded_envelope(envelope: Envelope, recipients: Sequence[int]) -> msgspec.Raw:
    """What the server keeps of the envelope: of the recipients only those of this mailbox."""
    own = tuple(envelope.recipients[index] for index in recipients)
    return msgspec.Raw(msgspec.json.encode(msgspec.structs.replace(envelope, recipients=own, screening=UNSET)))


def _recorded_screening(envelope: Envelope) -> msgspec.Raw:
    """What was found at the door; null where nobody looked."""
    return msgspec.Raw(b"null" if envelope.screening is UNSET else msgspec.json.encode(envelope.screening))
