"""Attachments, stored once for all: each decoded part is an object named by its digest."""

import hashlib
from collections.abc import Mapping

from gateways.blobs import BlobMissingError, Blobs, attachment_blob_name


class AttachmentAlteredError(Exception):
    """The bytes are not those that the digest names."""


def blob_sizes(parts: Mapping[str, bytes]) -> dict[str, int]:
    """Object name → size, for the touch that comes before `store`; `parts` maps sha256 to decoded bytes."""
    return {attachment_blob_name(sha256): len(content) for sha256, content in parts.items()}


def store(blobs: Blobs, parts: Mapping[str, bytes]) -> None:
    """Put every part that is not there yet, or not whole; all are durable on return. Safe to repeat.

    The caller has touched the names before (`blob_sizes`): a hit on an object about to be collected would be none.

    Raises: AttachmentAlteredError, before anything is put; StorageFullError.
    """
    for sha256, content in parts.items():
        verify(sha256, content)
    for sha256, content in parts.items():
        name = attachment_blob_name(sha256)
        if not _is_there(blobs, name, sha256):
            blobs.put(name, content)


def fetch(blobs: Blobs, sha256: str) -> bytes:
    """The part's decoded bytes, verified.

    Raises: BlobMissingError, AttachmentAlteredError
    """
    content = blobs.read(attachment_blob_name(sha256))
    verify(sha256, content)
    return content


def verify(sha256: str, content: bytes) -> None:
    """Raises: AttachmentAlteredError, when the digest of `content` is another."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise AttachmentAlteredError(sha256)


def _is_there(blobs: Blobs, name: str, sha256: str) -> bool:
    """Whether the very bytes are there durably: the caller will drop its own copy of them."""
    if not blobs.exists(name):
        return False
    digest = hashlib.sha256()
    try:
        for chunk in blobs.open(name):
            digest.update(chunk)
    except BlobMissingError:
        return False
    return digest.hexdigest() == sha256
