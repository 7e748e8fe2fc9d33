"""What the log tells of a mail's bytes, against which whoever shows them holds what the store gives."""

import hashlib

import msgspec

from domain.events import MessageServer
from gateways.blobs import Blobs
from gateways.mail_objects import MailAlteredError, read_mail


class ToldMail(msgspec.Struct, frozen=True):
    """Octets and SHA-256 (hex) of a stored mail, each as far as its log tells of it."""

    size_bytes: int | None = None
    sha256: str | None = None


class _Arrived(msgspec.Struct):
    size_bytes: int = -1


def told_mail(size_bytes: int, server: MessageServer | None) -> ToldMail:
    """Of a message of that size, trace block included. Nothing is told where what the server noted is gone.

    The digest is that of what arrived: it tells nothing of a mail from which something forged in our name was cut, as
    its other size shows.
    """
    if server is None:
        return ToldMail()
    content_bytes = size_bytes - len(server.trace.encode())
    arrived = msgspec.json.decode(server.envelope, type=_Arrived | None)
    if arrived is None and server.content_sha256:
        return ToldMail(sha256=server.content_sha256)
    if arrived is None or arrived.size_bytes != content_bytes or not server.content_sha256:
        return ToldMail(size_bytes=content_bytes)
    return ToldMail(content_bytes, server.content_sha256)


def read_told_mail(blobs: Blobs, name: str, told: ToldMail) -> bytes:
    """The mail byte for byte, and no other.

    Raises: BlobMissingError, also for an attachment; MailAlteredError
    """
    whole = read_mail(blobs, name)
    if told.size_bytes not in (None, len(whole)):
        raise MailAlteredError(f"{name}: {len(whole)} octets, the log tells of {told.size_bytes}")
    if told.sha256 is not None and hashlib.sha256(whole).hexdigest() != told.sha256:
        raise MailAlteredError(f"{name}: the log tells of another digest")
    return whole
