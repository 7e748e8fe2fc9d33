"""Transfers of clients with the blob store itself, where it has addresses that they can reach.

What a client sends lies under a name of its own, which nobody reads, until it is taken: only then it is verified and
becomes an attachment under its digest. So whoever keeps the address may send again and changes nothing that was taken.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec


class StoreAddress(msgspec.Struct, frozen=True):
    """An address that bears its own signature, good until `expires` (unix seconds), with the headers it asks for."""

    url: str
    expires: int
    headers: dict[str, str] = {}


class UploadAlteredError(Exception):
    """What was sent is not what was announced."""


class Transfers(Protocol):
    """Addresses of the store, and what came to them. `sha256` is lower-case hex, null where nobody knows it yet."""

    @property
    def origin(self) -> str:
        """Scheme, host and port of all addresses."""
        ...

    def upload_address(self, upload_id: str, *, content_type: str, size: int, sha256: str | None) -> StoreAddress:
        """Where to PUT these octets and, as far as the store can tell, no others."""
        ...

    def take(
        self, upload_id: str, *, size: int, sha256: str | None, touch: Callable[[Mapping[str, int]], None]
    ) -> str | None:
        """Make what was sent the attachment of its digest, durably; the digest, or null where nothing whole is there.

        `touch` is given the attachment's name and size before it is put, and commits. Safe to repeat.

        Raises: UploadAlteredError; StorageFullError.
        """
        ...

    def forget(self, upload_id: str) -> None:
        """What was sent may go. Safe to repeat."""
        ...

    def download_address(self, sha256: str, *, content_type: str, disposition: str) -> StoreAddress:
        """Where an attachment's octets are, for an hour, to be answered under this type and disposition (RFC 6266)."""
        ...
