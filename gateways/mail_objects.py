"""The object of a mail: whole as it arrived, or later, under the same name, with holes where large attachments were.

Whoever reads gets the bytes of the whole, whichever of the two lies there.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

from gateways import attachments
from gateways.blobs import Blobs, attachment_blob_name
from gateways.mime.holes import HoleError, is_packed, join, pack, split, storable, unpack
from gateways.mime.structure import ParsedMessage


class MailAlteredError(Exception):
    """The stored object does not give back the whole that was stored; the text names it."""


def read_mail(blobs: Blobs, name: str) -> bytes:
    """The mail byte for byte, its holes filled and the whole verified where it has any.

    The object must have been made ready by a delivery or by `replace_with_split`: bytes straight from a stranger may
    look like a mail with holes, and would be given other people's attachments.

    Raises: BlobMissingError, also for an attachment; MailAlteredError
    """
    stored = blobs.read(name)
    return _joined(blobs, name, stored) if is_packed(stored) else stored


def attachments_of(blobs: Blobs, name: str) -> tuple[str, ...]:
    """The names of the objects that fill the mail's holes, each once: what a holder of the mail holds beside it.

    Raises: BlobMissingError, MailAlteredError
    """
    stored = blobs.read(name)
    if not is_packed(stored):
        return ()
    try:
        holes = unpack(stored).holes
    except HoleError as error:
        raise MailAlteredError(f"{name}: {error}") from error
    return tuple(dict.fromkeys(attachment_blob_name(hole.sha256) for hole in holes))


def replace_with_split(
    blobs: Blobs, name: str, raw: bytes, parsed: ParsedMessage, *, touch: Callable[[Mapping[str, int]], None]
) -> tuple[str, ...]:
    """Put the mail `raw` under `name` with holes where it has large attachments; the names of these. Safe to repeat.

    `touch` is given the attachments' names and sizes before they are put, and commits. They are durable, and what lies
    in the store gives `raw` back exactly, before the object is replaced, which happens at once and whole.

    Raises: StorageFullError; MailAlteredError, when the store did not give back what was put: the object still stands.
    """
    message = split(raw, parsed)
    stored = pack(message) if message.holes else storable(raw)
    if message.holes:
        touch(attachments.blob_sizes(message.parts))
        attachments.store(blobs, message.parts)
        _joined(blobs, name, stored)
    blobs.put(name, stored)
    return tuple(attachments.blob_sizes(message.parts))


def _joined(blobs: Blobs, name: str, stored: bytes) -> bytes:
    try:
        message = unpack(stored)
        whole = join(message.skeleton, message.holes, partial(attachments.fetch, blobs))
    except (HoleError, attachments.AttachmentAlteredError) as error:
        raise MailAlteredError(f"{name}: {error}") from error
    if hashlib.sha256(whole).hexdigest() != message.sha256:
        raise MailAlteredError(f"{name}: the whole has another digest")
    return whole
