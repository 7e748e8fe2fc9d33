"""A stored message, opened: its row, its bytes, what they say, and the event that brought it."""

import msgspec

from domain.events import MessageDelivered, MessageServer
from domain.ids import MailboxId, MessageId
from domain.refusals import MessageUnknownError
from domain.rows import MessageRow
from gateways.http.ports import HttpParts
from gateways.mail_objects import read_mail
from gateways.mime.structure import ParsedMessage


class StoredMail(msgspec.Struct, frozen=True):
    """A live message: `raw` is what follows the trace block."""

    row: MessageRow
    raw: bytes
    parsed: ParsedMessage


def open_mail(parts: HttpParts, mailbox_id: MailboxId, message_id: str) -> StoredMail:
    """The message with its bytes. Raises: MessageUnknownError, BlobMissingError, MailAlteredError."""
    row = message_row(parts, mailbox_id, message_id)
    return StoredMail(row, read_mail(parts.blobs, row.blob), parts.extracts.extract(row.blob))


def message_row(parts: HttpParts, mailbox_id: MailboxId, message_id: str) -> MessageRow:
    """The row of a live message. Raises: MessageUnknownError."""
    row = parts.records.message(mailbox_id, MessageId(message_id))
    if row is None:
        raise MessageUnknownError([message_id])
    return row


def server_part(parts: HttpParts, mailbox_id: MailboxId, row: MessageRow) -> MessageServer | None:
    """What the server noted when the message came; None where it is gone."""
    for recorded in parts.reader.batch(mailbox_id, row.delivered_seq - 1, limit=1):
        event = recorded.event
        if isinstance(event, MessageDelivered) and isinstance(event.server, MessageServer):
            return event.server
    return None
