"""A cache of what is a mailbox's own: sealed under a key of that mailbox, so that no other finds or reads it.

The key follows from the installation's, not from the mailbox's in the key store: a list needs no key store to be read,
and is not to wait for one. So what is kept of an erased mailbox is not found again, as nothing of it is asked for here,
and its octets are gone with their time, long before an erasure is done.
"""

import hmac

from domain.ids import MailboxId
from infra.caches.cache import Cache
from infra.caches.names import Names
from infra.sealing import SealBrokenError, open_sealed, seal_once


class SealedCache:
    """`secret` is 32 octets, the same in every process."""

    def __init__(self, cache: Cache, names: Names, *, secret: bytes) -> None:
        self._cache = cache
        self._names = names
        self._secret = secret

    def get(self, mailbox_id: MailboxId, kind: str, *parts: bytes) -> bytes | None:
        """What was put there last under this name, if it is still there."""
        name = self._name(mailbox_id, kind, parts)
        sealed = self._cache.get(name)
        try:
            return None if sealed is None else open_sealed(self._key(mailbox_id), sealed, name)
        except SealBrokenError:
            return None

    def put(self, mailbox_id: MailboxId, kind: str, *parts: bytes, value: bytes, for_s: int) -> None:
        """Keep the value for so long, or do not."""
        name = self._name(mailbox_id, kind, parts)
        self._cache.put(name, seal_once(self._key(mailbox_id), value, name), for_s=for_s)

    def _name(self, mailbox_id: MailboxId, kind: str, parts: tuple[bytes, ...]) -> bytes:
        return self._names.of(kind, mailbox_id.encode(), *parts)

    def _key(self, mailbox_id: MailboxId) -> bytes:
        return hmac.digest(self._secret, mailbox_id.encode(), "sha256")
