"""Where bodies and attachments lie: objects under names, written whole, durable once the call returns.

The names are part of the contract, so that backups, exports and another adapter find the same objects.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self

from domain.times import rfc3339

MAX_NAME_LENGTH = 200
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,7}", re.ASCII)
_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class StorageFullError(Exception):
    """There is no room for the content; nothing was kept."""


class BlobMissingError(Exception):
    """No object has this name."""


class BlobArchivedError(OSError):
    """The object lies in an archive; it was asked for, and can be read some hours later."""


class BlobNameInvalidError(ValueError):
    """The text can be no object's name."""


def mail_blob_name(acceptance_id: str, received_at_ms: int) -> str:
    """`emails/2026/11/22/{acceptance_id}.eml`: the one object of an acceptance, by the UTC day it came in.

    Raises: BlobNameInvalidError
    """
    year, month, day = rfc3339(received_at_ms)[:10].split("-")
    return f"emails/{year}/{month}/{day}/{_checked(_ID, acceptance_id)}.eml"


def attachment_blob_name(sha256: str) -> str:
    """`attachments/{sha256}`: a decoded part, by the lower-case hex digest of its bytes.

    Raises: BlobNameInvalidError
    """
    return f"attachments/{_checked(_SHA256, sha256)}"


def upload_blob_name(upload_id: str) -> str:
    """`uploads/{id}`: what a client uploads before any draft names it.

    Raises: BlobNameInvalidError
    """
    return f"uploads/{_checked(_ID, upload_id)}"


def checked_name(name: str) -> str:
    """`name`, when every adapter can keep an object under it: two to eight parts, none hidden, no way up.

    Raises: BlobNameInvalidError
    """
    if len(name) > MAX_NAME_LENGTH:
        raise BlobNameInvalidError(f"an object's name has at most {MAX_NAME_LENGTH} characters")
    return _checked(_NAME, name)


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise BlobNameInvalidError(f"no object can be named by {text[:80]!r}")
    return text


class Spool(Protocol):
    """Content on its way to becoming an object; leaving its `with` block forgets what was not committed.

    Calls on one spool never overlap.
    """

    @property
    def size(self) -> int:
        """Octets written so far."""
        ...

    @property
    def sha256(self) -> str:
        """Lower-case hex digest of the octets written so far."""
        ...

    def write(self, data: bytes, /) -> None:
        """Take more content; it is not durable before the commit.

        Raises: StorageFullError; the spool is then discarded.
        """
        ...

    def read(self, start: int, size_bytes: int, /) -> bytes:
        """What was written from `start` on, at most so much of it; empty beyond the end. Not after a commit.

        Raises: OSError
        """
        ...

    def discard(self) -> None:
        """Forget the content and free its room. Safe to repeat; after a commit it does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Blobs(Protocol):
    """The store of objects. Calls come from many threads and processes at once and block.

    Every method that takes a name raises BlobNameInvalidError for one that `checked_name` refuses.
    """

    def spool(self) -> Spool:
        """Room for the content of one more object.

        Raises: StorageFullError
        """
        ...

    def commit(self, spool: Spool, name: str) -> None:
        """Make the spool's content the object `name`, replacing the one before whole. Durable on return.

        Safe to repeat with the same spool and name, also after a failure that left the spool undiscarded.

        Raises: StorageFullError; the spool is then discarded and whatever stood under `name` stands.
        """
        ...

    def put(self, name: str, data: bytes) -> None:
        """Make `data` the object `name`, with the guarantees of `commit`.

        Raises: StorageFullError
        """
        ...

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """`put` for many, name → content, with their flushes shared. Where it raises, any of them may be there.

        Raises: StorageFullError
        """
        ...

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The octets from `start`, at most `length`; what lies beyond the end is empty.

        Raises: BlobMissingError, BlobArchivedError
        """
        ...

    def read_all(self, names: Collection[str]) -> Mapping[str, bytes | Exception]:
        """What each of these objects holds, or what `read` raises for it; side by side where that is sooner.

        In an outage those that were not asked for yet have its error too.
        """
        ...

    def open(self, name: str) -> Iterator[bytes]:
        """The whole object in chunks, the same one to the end even when it is replaced or deleted meanwhile.

        Raises: BlobMissingError, BlobArchivedError, at the call.
        """
        ...

    def size(self, name: str) -> int:
        """Octets of the object.

        Raises: BlobMissingError
        """
        ...

    def exists(self, name: str) -> bool:
        """Whether the object is there *durably*: one that another caller was just writing is flushed first.

        So a dedup hit may rely on it as on a `put` of one's own.
        """
        ...

    def delete(self, name: str) -> None:
        """Take the object away, durably. Safe to repeat."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`, in no order; objects that come or go meanwhile may be missed."""
        ...


def read_or_error(blobs: Blobs, name: str) -> bytes | Exception:
    """The whole object, or what reading it raised."""
    try:
        return blobs.read(name)
    except Exception as error:  # noqa: BLE001 - handed to whoever asked for this object
        return error
