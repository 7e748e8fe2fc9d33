"""What the log is told of a message that its owner wrote: its object durable, its summary ready."""

import hashlib
from collections.abc import Callable, Mapping

from domain.decisions import Composed
from domain.events import MessageServer
from domain.threading import ref, refs_of, subject_ref
from gateways.blobs import Blobs
from gateways.delivery.incoming import correspondents, is_reply_by_subject, personal_of
from gateways.mail_objects import replace_with_split
from gateways.mime.structure import ParsedMessage

Touch = Callable[[Mapping[str, int]], None]


def stored_mail(
    blobs: Blobs, raw: bytes, parsed: ParsedMessage, *, blob: str, received_at: int, touch: Touch
) -> Composed:
    """The message under the name `blob`, its objects touched and durable.

    Raises: StorageFullError, MailAlteredError.
    """
    touch({blob: len(raw)})
    split_out = replace_with_split(blobs, blob, raw, parsed, touch=touch)
    return _described(parsed, raw, blob=blob, split_out=split_out, received_at=received_at)


def _described(
    parsed: ParsedMessage, raw: bytes, *, blob: str, split_out: tuple[str, ...], received_at: int
) -> Composed:
    """What the log is told of a stored message."""
    summary = parsed.summary
    message_id = summary.message_id or ""
    return Composed(
        personal=personal_of(parsed),
        server=MessageServer(
            blob=blob,
            content_sha256=hashlib.sha256(raw).hexdigest(),
            refs=refs_of(message_id, summary.references, summary.in_reply_to),
            subject_ref=subject_ref(parsed.base_subject, correspondents(parsed)),
        ),
        size=len(raw),
        received_at=received_at,
        has_attachment=any(not one.inline for one in parsed.attachments),
        blobs=(blob, *split_out),
        own_ref=ref(message_id),
        is_reply_by_subject=is_reply_by_subject(parsed),
    )
