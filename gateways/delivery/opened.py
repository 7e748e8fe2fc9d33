"""One reading of a record's object: the bytes as they are to be stored, what they say, what is split out of them.

The object goes through three forms under its one name, each of which replaces the one before whole: as it arrived; less
what was forged in our name; with holes, once its attachments are durable and held. A worker that comes after a crash
finds any of them and derives the same from it.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from gateways.blobs import Blobs, attachment_blob_name
from gateways.mail_objects import read_mail
from gateways.mime.holes import Split, is_packed, pack, split, storable
from gateways.mime.parse import parse
from gateways.mime.structure import ParsedMessage
from gateways.mime.trace import cut_forged_results
from gateways.queue import QueueRecord


class OpenedMail(msgspec.Struct, frozen=True):
    """A message read once. `parts` are the attachments split out of it, by sha256."""

    parsed: ParsedMessage
    whole: bytes
    parts: Mapping[str, bytes]
    safe: bytes | None
    """What to put before any mailbox refers to the object, when what lies there is not to be read by everybody."""
    stored: bytes | None
    """The form that the object takes in the end, when it lies there in another one."""

    @property
    def content_bytes(self) -> int:
        """Octets of the message, less what was forged."""
        return len(self.whole)

    @property
    def attachment_names(self) -> tuple[str, ...]:
        """The objects that the holes name."""
        return tuple(attachment_blob_name(sha256) for sha256 in self.parts)


def open_mail(blobs: Blobs, record: QueueRecord, data: bytes) -> OpenedMail:
    """Read the record's object, which holds `data`.

    Raises: BlobMissingError, MailAlteredError: the record itself is broken.
    """
    whole = cut_forged_results(_whole(blobs, data, record), record.envelope.hostname)
    parsed = parse(whole)
    holes = split(whole, parsed) if parsed.attachments else Split(whole, (), {}, "", len(whole))
    unsplit = storable(whole)
    stored = pack(holes) if holes.holes else unsplit
    safe = None if data in (unsplit, stored) else unsplit
    return OpenedMail(parsed, whole, holes.parts, safe, None if stored == data else stored)


def _whole(blobs: Blobs, data: bytes, record: QueueRecord) -> bytes:
    """The message; what a stranger made to look like one with holes is known by its digest."""
    if not is_packed(data) or hashlib.sha256(data).hexdigest() == record.envelope.content_sha256:
        return data
    return read_mail(blobs, record.blob)
