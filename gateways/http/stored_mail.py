"""A stored message, opened: its row, its bytes, what they say, and the event that brought it."""

import logging

import msgspec

from domain.events import MessageDelivered, MessageServer
from domain.ids import MailboxId, MessageId
from domain.refusals import MessageUnknownError
from domain.rows import MessageRow
from gateways.http.ports import HttpParts
from gateways.mail_objects import MailAlteredError
from gateways.mime.structure import ParsedMessage
from gateways.told_mail import read_told_mail, told_mail

_log = logging.getLogger(__name__)


class StoredMail(msgspec.Struct, frozen=True):
    """A live message: `raw` is what follows the trace block; `server` what the server noted when it came."""

    row: MessageRow
    server: MessageServer | None
    raw: bytes
    parsed: ParsedMessage


def open_mail(parts: HttpParts, mailbox_id: MailboxId, message_id: str) -> StoredMail:
    """The message with its bytes. Raises: MessageUnknownError, BlobMissingError, MailAlteredError."""
    row = message_row(parts, mailbox_id, message_id)
    server = server_part(parts, mailbox_id, row)
    return StoredMail(row, server, read_raw(parts, row, server), parts.extracts.extract(row.blob))


def read_raw(parts: HttpParts, row: MessageRow, server: MessageServer | None) -> bytes:
    """What follows the trace block, as the log tells of it; the operator is told of what was altered in the store.

    Raises: BlobMissingError, MailAlteredError.
    """
    try:
        return read_told_mail(parts.blobs, row.blob, told_mail(row.size, server))
    except MailAlteredError as error:
        _log.error("the mail object is not what was stored: %s", error)
        raise


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
